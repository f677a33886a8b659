"""The Docker daemon that holds a stack's containers, and what of ours is on it (found by label, never by name)."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import docker
from docker.errors import APIError, DockerException, NotFound
from docker.models.containers import Container
from docker.models.volumes import Volume
from docker.tls import TLSConfig

from stack_runtime.docker_endpoint import Endpoint, local_endpoint
from stack_runtime.docker_problems import explain, forget_missing_helpers
from stack_runtime.errors import UnreachableError
from stack_runtime.paths import PROJECT, RUNS

IMAGES = "fds"
"""The repository of images that are built for the services."""


TIMEOUT_S = 120


def local_docker(timeout: int = TIMEOUT_S) -> docker.DockerClient:
    """Return a client of the daemon that this machine's user works with.

    Args:
        timeout: seconds that one request may take.

    Raises:
        UnreachableError: it does not answer.
    """
    return connect(local_endpoint(), timeout)


def connect(endpoint: Endpoint, timeout: int = TIMEOUT_S) -> docker.DockerClient:
    """Return a client of the daemon at `endpoint`.

    Raises:
        DockerAccessError: the daemon runs, and this user may not use it.
        UnreachableError: no daemon answers there.
    """
    try:
        tls = _tls(endpoint.certificates) if endpoint.certificates else False
        client = docker.DockerClient(base_url=endpoint.address, timeout=timeout, tls=tls, use_ssh_client=True)
        client.ping()
    except (DockerException, OSError) as error:
        raise explain(error, endpoint) from None
    forget_missing_helpers(client)
    return client


def _tls(folder: str) -> TLSConfig:
    ca, cert, key = (str(Path(folder, name)) for name in ("ca.pem", "cert.pem", "key.pem"))
    return TLSConfig(client_cert=(cert, key), ca_cert=ca, verify=True)


def containers(client: docker.DockerClient, stack: str, service: str | None = None) -> list[Container]:
    """Containers of `stack`, the file uploader left out, sorted by service."""
    found = client.containers.list(all=True, filters=_ours(stack))
    wanted = (item for item in found if item.labels.get("fds.service") not in (None, "files"))
    return sorted(
        (item for item in wanted if service in (None, item.labels["fds.service"])),
        key=lambda item: (item.labels.get("fds.service", ""), item.name or ""),
    )


def running(client: docker.DockerClient, stack: str, service: str) -> Container:
    """The running container of `service`.

    Raises:
        UnreachableError: there is none.
    """
    for item in containers(client, stack, service):
        if item.status == "running":
            return item
    raise UnreachableError(f"{service} of stack {stack} is not running", next_command=f"fds up --stack {stack}")


def runner(client: docker.DockerClient, stack: str) -> Container:
    """The running container that runs the pipeline: the pipeline runner, or the part of Airflow in its place.

    Raises:
        UnreachableError: there is none.
    """
    for item in containers(client, stack):
        if item.labels.get(RUNS) == "pipeline" and item.status == "running":
            return item
    raise UnreachableError(f"no runner of stack {stack} is running", next_command=f"fds up --stack {stack}")


def start_stopped(client: docker.DockerClient, stack: str) -> list[str]:
    """Start the services that somebody stopped by hand; what fails by itself, Docker starts again.

    Returns: names of their containers.

    Raises:
        UnreachableError: one does not start.
    """
    stopped = [item for item in containers(client, stack) if item.status == "exited"]
    for item in stopped:
        try:
            item.start()
        except APIError as error:
            raise UnreachableError(
                f"{item.name} was stopped and does not start: {error.explanation}", next_command="fds doctor"
            ) from None
    return [str(item.name) for item in stopped]


def ids(client: docker.DockerClient, stack: str) -> set[str]:
    """Ids of all containers of `stack`, the file uploader among them."""
    return {str(item.id) for item in client.containers.list(all=True, filters=_ours(stack))}


def _ours(stack: str) -> dict[str, str | list[str] | bool]:
    return {"label": [f"fds.project={PROJECT}", f"fds.stack={stack}"]}


def remove_unrecorded(client: docker.DockerClient, stack: str, known: set[str], networks: set[str]) -> list[str]:
    """Remove what of `stack` was made, but never written down by an engine that was killed.

    Volumes are left: the engine takes one that exists as it is.

    Args:
        known: ids of the containers that the engine knows.
        networks: ids of the networks that it knows.

    Returns: names of what went.
    """
    strays = [item for item in client.containers.list(all=True, filters=_ours(stack)) if item.id not in known]
    for item in strays:
        item.remove(force=True)
    unknown = [item for item in client.networks.list(filters=_ours(stack)) if item.id not in networks]
    for network in unknown:
        network.remove()
    return [*(str(item.name) for item in strays), *(f"network {item.name}" for item in unknown)]


def remove_unused_images(client: docker.DockerClient, among: Collection[str] | None = None) -> list[str]:
    """Remove images that were built for a stack and that no container uses.

    Args:
        among: names of images that the stack no longer needs; one that another stack has too only loses this name. None
            means all, and what interrupted builds left: for a daemon that serves one stack alone, for another's image
            looks unused while its containers are replaced.

    Returns: names of the images.
    """
    used = {item["ImageID"] for item in client.api.containers(all=True)}
    built = client.images.list(filters={"reference": f"{IMAGES}/*"})
    unused = sorted(
        tag
        for image in built
        for tag in image.tags
        if (image.id not in used or (among is not None and set(image.tags) - set(among)))
        and (among is None or tag in among)
    )
    for tag in unused:
        client.images.remove(tag)
    if among is None:
        client.images.prune(filters={"dangling": True})
    return unused


def remove_leftovers(client: docker.DockerClient, stack: str, *, volumes: bool) -> dict[str, list[str]]:
    """Remove what carries the stack's labels and is still there; data volumes only when `volumes` is true.

    Returns: names of the removed `containers`, `networks` and `volumes`.
    """
    filters = _ours(stack)
    removed: dict[str, list[str]] = {"containers": [], "networks": [], "volumes": []}
    for item in client.containers.list(all=True, filters=filters):
        item.remove(force=True)
        removed["containers"].append(str(item.name))
    for network in client.networks.list(filters=filters):
        network.remove()
        removed["networks"].append(str(network.name))
    if volumes:
        for volume in client.volumes.list(filters=filters):
            _remove_volume(volume)
            removed["volumes"].append(str(volume.name))
    return removed


def _remove_volume(volume: Volume) -> None:
    try:
        volume.remove()
    except NotFound:
        return
    except APIError as error:
        raise UnreachableError(
            f"volume {volume.name} could not be removed: {error.explanation}", next_command="fds down --volumes"
        ) from None

"""Connect to a Docker daemon and find or remove the containers, networks, volumes and images of a stack.

Containers, networks and volumes of a stack are found by their labels, images by the names of their repositories.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

import docker
from docker.errors import APIError, DockerException, NotFound
from docker.models.containers import Container
from docker.models.volumes import Volume
from docker.tls import TLSConfig

from stack_runtime.docker_endpoint import Endpoint, local_endpoint
from stack_runtime.docker_exec import execute
from stack_runtime.docker_problems import explain, forget_missing_helpers
from stack_runtime.errors import StackError, UnreachableError
from stack_runtime.labels import RUNS_LABEL, SERVICE_LABEL, filter_of
from stack_runtime.paths import IMAGES

TIMEOUT_S = 120


def local_docker(timeout: int = TIMEOUT_S) -> docker.DockerClient:
    """Return a client of the current user's Docker daemon.

    Args:
        timeout: seconds that one request may take.

    Raises:
        UnreachableError: the daemon does not answer.
    """
    return connect(local_endpoint(), timeout)


def connect(endpoint: Endpoint, timeout: int = TIMEOUT_S) -> docker.DockerClient:
    """Return a client of the daemon at `endpoint`.

    Raises:
        DockerAccessError: the daemon runs, but this user may not use it.
        UnreachableError: no daemon answers at `endpoint`.
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
    """Return the containers of `stack`, or only those of `service`, sorted by service.

    The container that only uploads files (service `files`) is left out.
    """
    found = client.containers.list(all=True, filters=filter_of(stack))
    wanted = (item for item in found if item.labels.get(SERVICE_LABEL) not in (None, "files"))
    return sorted(
        (item for item in wanted if service in (None, item.labels[SERVICE_LABEL])),
        key=lambda item: (item.labels.get(SERVICE_LABEL, ""), item.name or ""),
    )


def running(client: docker.DockerClient, stack: str, service: str) -> Container:
    """Return a running container of `service`.

    Raises:
        UnreachableError: no container of the service runs.
    """
    for item in containers(client, stack, service):
        if item.status == "running":
            return item
    raise UnreachableError(f"{service} of stack {stack} is not running", next_command=f"fds up --stack {stack}")


def runner(client: docker.DockerClient, stack: str) -> Container:
    """Return a running container in which the pipeline can be started: of the service `pipeline` or of Airflow.

    Raises:
        UnreachableError: no such container is running.
    """
    for item in containers(client, stack):
        if item.labels.get(RUNS_LABEL) == "pipeline" and item.status == "running":
            return item
    raise UnreachableError(f"pipeline of stack {stack} is not running", next_command=f"fds up --stack {stack}")


def call_runner(client: docker.DockerClient, stack: str, module: str, *words: str) -> Any:
    """Run a Python module in the container that `runner` returns.

    Returns: the JSON that the module prints; None if the module prints nothing.

    Raises:
        StackError: the module failed; the error is the one that the module printed.
        UnreachableError: `runner` finds no container, or the output of the module is not JSON.
    """
    container = runner(client, stack)
    try:
        done = execute(container, ["python", "-m", module, *words])
        answer: Any = json.loads(done.out) if done.out else None
        if done.code:
            raise StackError.from_json(answer)
        return answer
    except (APIError, ValueError, KeyError, TypeError) as error:
        raise UnreachableError(f"the runner gives no answer: {error}", next_command="fds logs pipeline") from None


def start_stopped(client: docker.DockerClient, stack: str) -> list[str]:
    """Start the containers that were stopped by hand; Docker itself restarts crashed containers.

    Returns: names of the started containers.

    Raises:
        UnreachableError: a container does not start.
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
    """Return the ids of all containers of `stack`, including the container that uploads files."""
    return {str(item.id) for item in client.containers.list(all=True, filters=filter_of(stack))}


def remove_unrecorded(client: docker.DockerClient, stack: str, known: set[str], networks: set[str]) -> list[str]:
    """Remove containers and networks of `stack` that a killed deployment created, but that are not in Pulumi's state.

    Volumes are kept, because the next deployment uses an existing volume again.

    Args:
        known: ids of the containers in Pulumi's state.
        networks: ids of the networks in Pulumi's state.

    Returns: names of the removed containers and networks.
    """
    strays = [item for item in client.containers.list(all=True, filters=filter_of(stack)) if item.id not in known]
    for item in strays:
        item.remove(v=True, force=True)
    unknown = [item for item in client.networks.list(filters=filter_of(stack)) if item.id not in networks]
    for network in unknown:
        network.remove()
    return [*(str(item.name) for item in strays), *(f"network {item.name}" for item in unknown)]


def images_in(client: docker.DockerClient, repositories: Collection[str]) -> set[str]:
    """Return the full names (`repository:tag`) of the images in these repositories."""
    listed = [image for name in repositories for image in client.api.images(name=name)]
    return {tag for image in listed for tag in image["RepoTags"] or () if tag.rpartition(":")[0] in repositories}


def remove_unused_images(client: docker.DockerClient, among: Collection[str] | None = None) -> list[str]:
    """Remove images that were built for a stack and that no container uses.

    Args:
        among: names of images that the stack no longer needs. An image that also has a name for another stack loses
            only the name in this list. With None, all unused images of all stacks are removed, and all images without
            a name, such as remains of interrupted builds. Use None only if the daemon serves a single stack: the image
            of another stack looks unused while that stack replaces containers.

    Returns: names of the removed images.
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
    """Remove the remaining containers and networks with the stack's labels, and its volumes if `volumes` is true.

    Returns: names of the removed `containers`, `networks` and `volumes`.
    """
    filters = filter_of(stack)
    removed: dict[str, list[str]] = {"containers": [], "networks": [], "volumes": []}
    for item in client.containers.list(all=True, filters=filters):
        item.remove(v=True, force=True)
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

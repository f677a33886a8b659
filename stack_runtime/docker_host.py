"""The Docker daemon that holds a stack's containers, and what of ours is on it (found by label, never by name)."""

from __future__ import annotations

import os

import docker
from docker.errors import APIError, DockerException, NotFound
from docker.models.containers import Container
from docker.models.volumes import Volume

from stack_runtime.errors import UnreachableError

PROJECT = "freelancer-data-stack"


def local_docker() -> docker.DockerClient:
    """A client of this machine's daemon.

    Raises:
        UnreachableError: none answers.
    """
    return connect(local_address())


def local_address() -> str:
    """The daemon that `DOCKER_HOST` names, or the one at Docker's usual socket."""
    return os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")


def connect(address: str) -> docker.DockerClient:
    """A client of the daemon at `address`.

    Raises:
        UnreachableError: no daemon answers there.
    """
    try:
        client = docker.DockerClient(base_url=address, timeout=120)
        client.ping()
    except (DockerException, OSError):
        raise UnreachableError("Docker is not running", where=address, next_command="fds setup") from None
    return client


def containers(client: docker.DockerClient, stack: str, service: str | None = None) -> list[Container]:
    """Containers of `stack`, the carrier of files left out, sorted by service."""
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


def ids(client: docker.DockerClient, stack: str) -> set[str]:
    """Ids of all containers of `stack`, the carrier of files among them."""
    return {str(item.id) for item in client.containers.list(all=True, filters=_ours(stack))}


def _ours(stack: str) -> dict[str, str | list[str] | bool]:
    return {"label": [f"fds.project={PROJECT}", f"fds.stack={stack}"]}


def remove_unrecorded(client: docker.DockerClient, stack: str, known: set[str]) -> list[str]:
    """Remove containers of `stack` whose id is not in `known`: made, but killed before the engine wrote it down.

    Returns: their names.
    """
    strays = [item for item in client.containers.list(all=True, filters=_ours(stack)) if item.id not in known]
    for item in strays:
        item.remove(force=True)
    return [str(item.name) for item in strays]


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

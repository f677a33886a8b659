"""Record in the labels of a marker volume which of several stacks of the same name owns this name on a Docker daemon.

The owner of the name owns all containers, networks and volumes that have the name as a label. Docker cannot change the
labels of an existing object, but an empty volume can be removed and created again with other labels. Doing this with a
container, a network or a volume of the stack would restart containers or lose data.
"""

from __future__ import annotations

from docker import DockerClient
from docker.errors import NotFound

from stack_runtime import labels
from stack_runtime.paths import PROJECT

_STACK = "fds.owner-of"
_IDENTITY = "fds.identity"


def marker(stack: str) -> str:
    """Return the name of the marker volume."""
    return f"{PROJECT}-{stack}-owner"


def owner(client: DockerClient, stack: str) -> str | None:
    """Return the identity of the owner of the stack name `stack`; None if there is no marker volume."""
    try:
        labels = client.volumes.get(marker(stack)).attrs.get("Labels") or {}
    except NotFound:
        return None
    return str(labels.get(_IDENTITY, ""))


def claim(client: DockerClient, stack: str, identity: str) -> str:
    """Create the marker volume if it does not exist. Returns: the identity of the owner from the volume's labels.

    Docker returns an existing volume unchanged. So, of two stacks whose deployments begin at once, the one that creates
    the volume owns the name.
    """
    labels = {"fds.project": PROJECT, _STACK: stack, _IDENTITY: identity}
    client.volumes.create(marker(stack), labels=labels)
    return owner(client, stack) or ""


def release(client: DockerClient, stack: str) -> None:
    """Remove the marker volume, if it exists."""
    try:
        client.volumes.get(marker(stack)).remove()
    except NotFound:
        return


def ids(client: DockerClient, stack: str) -> dict[str, tuple[str, str]]:
    """Return `(kind, name)` by id for each `container`, `network` and `volume` with the labels of `stack`."""
    filters = labels.filter_of(stack)
    found = {str(each.id): ("container", str(each.name)) for each in client.containers.list(all=True, filters=filters)}
    found |= {str(each.id): ("network", str(each.name)) for each in client.networks.list(filters=filters)}
    return found | {str(each.id): ("volume", str(each.name)) for each in client.volumes.list(filters=filters)}

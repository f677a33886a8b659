"""Label Docker objects with the process of the test run that creates them, and remove those of killed test runs."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import docker
from docker.errors import APIError

OWNER = "fds.test.owner"
"""Label of a container, network or volume: the identity of the process that removes it at the end."""


def identity(pid: int) -> str:
    """Return `pid:start time in ticks`, or an empty text if the process does not exist.

    A later process with the same pid has another identity.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return f"{pid}:{fields[19]}"


LABELS = {OWNER: identity(os.getpid())}


def is_gone(owner: str) -> bool:
    """Return whether the process with the identity `owner` has ended."""
    return identity(int(owner.partition(":")[0])) != owner


def remove(client: docker.DockerClient) -> None:
    """Remove containers, networks and volumes of test runs that were killed.

    Docker restarts some of these containers each time it starts, and they would slow down all later tests.
    """
    containers = client.containers.list(all=True, filters={"label": OWNER}, ignore_removed=True)
    for container in (each for each in containers if is_gone(each.labels[OWNER])):
        with suppress(APIError):  # another test run may remove the same object at the same time
            container.remove(force=True, v=True)
    for network in client.networks.list(filters={"label": OWNER}):
        if is_gone(network.attrs["Labels"][OWNER]):
            with suppress(APIError):
                network.remove()
    for volume in client.volumes.list(filters={"label": OWNER}):
        if is_gone(volume.attrs["Labels"][OWNER]):
            with suppress(APIError):
                volume.remove()

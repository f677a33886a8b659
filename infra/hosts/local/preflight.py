"""Check this machine before a deployment changes the stack; each error names the next command."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from pathlib import Path

import docker
from docker.errors import ImageNotFound

from infra import image_digests, image_lock
from infra.services import selected
from infra.settings import Settings
from stack_runtime.docker_endpoint import local_endpoint
from stack_runtime.docker_host import connect, containers
from stack_runtime.docker_problems import pull
from stack_runtime.errors import UnreachableError

UNPRIVILEGED = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
"""File with the lowest port that a user without privileges may open."""


def check(settings: Settings, project: Path) -> None:
    """Check that Docker answers, pull missing images, and check that the stack's ports are free or used by the stack.

    Args:
        project: the folder with the lock file of images.

    Raises:
        UsageError: the lock file of images is malformed, or has a digest that no registry serves.
        UnreachableError: Docker does not answer, an image cannot be pulled, or a port is taken or may not be opened.
    """
    endpoint = local_endpoint()
    client = connect(endpoint)
    _images(client, settings, image_lock.read(project))
    if endpoint.is_local:  # ports of another machine cannot be probed from here
        _ports(client, settings)


def _images(client: docker.DockerClient, settings: Settings, lock: Mapping[str, str]) -> None:
    references = [service.image for service in selected(settings) if isinstance(service.image, str)]
    image_digests.refuse_unserved(client, references, lock)
    for name in (image_lock.pinned(reference, lock) for reference in references):
        try:
            client.images.get(name)
        except ImageNotFound:
            pull(client, name)


def _ports(client: docker.DockerClient, settings: Settings) -> None:
    """Check that each port of the selected services is free, or already published by a container of this stack."""
    ours = {
        int(binding["HostPort"])
        for item in containers(client, settings.stack)
        for bindings in (item.ports or {}).values()
        for binding in bindings or []
    }
    for service in selected(settings):
        wanted = service.published(settings) if service.published else {}
        for port in sorted(set(wanted) - ours):
            _refuse_privileged(client, settings, port)
            if _taken(port):
                raise UnreachableError(
                    f"port {port} on 127.0.0.1, which {service.name} needs, is taken by another program",
                    next_command=f"stop it, or set httpPort and httpsPort in Pulumi.{settings.stack}.yaml",
                )


def _refuse_privileged(client: docker.DockerClient, settings: Settings, port: int) -> None:
    """Refuse a port that a Docker daemon without root may not open.

    Raises:
        UnreachableError: the daemon is rootless and the port is below the kernel's limit for users.
    """
    lowest = int(UNPRIVILEGED.read_text()) if UNPRIVILEGED.exists() else 1024
    if port < lowest and any("rootless" in option for option in client.info().get("SecurityOptions") or []):
        raise UnreachableError(
            f"Docker runs without root, so it may not open port {port}, which is below {lowest}",
            next_command=f"sudo sysctl net.ipv4.ip_unprivileged_port_start={port}, or set httpPort and httpsPort "
            f"in Pulumi.{settings.stack}.yaml",
        )


def _taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except PermissionError:  # this user may not open the port, but the daemon may: check whether a program listens
            return probe.connect_ex(("127.0.0.1", port)) == 0
        except OSError:
            return True
    return False

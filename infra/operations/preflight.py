"""What must be true before a deployment touches anything; each failure is one line with the next command."""

from __future__ import annotations

import socket

import docker
from docker.errors import APIError, ImageNotFound, NotFound

from infra.hosts.hetzner import token
from infra.services import selected
from infra.settings import Settings
from stack_runtime.docker_host import containers, local_docker
from stack_runtime.errors import UnreachableError
from stack_runtime.remote.tunnel import require_ssh


def check(settings: Settings) -> None:
    """Docker answers, the images can be had, the ports are free; for a server, there are a token and `ssh`.

    Raises:
        UnreachableError: one of these is not so.
    """
    if settings.host != "local":
        token.require(settings.stack)
        require_ssh()
        return
    client = local_docker()
    _images(client, settings)
    _ports(client, settings)


def _images(client: docker.DockerClient, settings: Settings) -> None:
    for service in selected(settings):
        if not isinstance(service.image, str):
            continue
        try:
            client.images.get(service.image)
        except ImageNotFound:
            _pull(client, service.image)


def _pull(client: docker.DockerClient, image: str) -> None:
    try:
        client.images.pull(image)
    except (APIError, NotFound):
        raise UnreachableError(f"image {image} is not here and cannot be pulled", next_command="fds setup") from None


def _ports(client: docker.DockerClient, settings: Settings) -> None:
    """Ports that this stack's own containers hold already are fine."""
    ours = {
        int(binding["HostPort"])
        for item in containers(client, settings.stack)
        for bindings in (item.ports or {}).values()
        for binding in bindings or []
    }
    for service in selected(settings):
        wanted = service.published(settings) if service.published else {}
        for port in sorted(set(wanted) - ours):
            if _taken(port):
                raise UnreachableError(
                    f"port {port} on 127.0.0.1, which {service.name} needs, is taken by another program",
                    next_command=f"stop it, or set httpPort and httpsPort in Pulumi.{settings.stack}.yaml",
                )


def _taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False

"""Connect the Docker provider of the Pulumi program to the server, over SSH as the deploy user."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pulumi
import pulumi_docker as docker
from pulumi.output import UNKNOWN

from infra.hosts.base import DockerTarget, TargetInputs
from infra.hosts.ssh.known import pinned
from infra.settings import Settings
from stack_runtime.errors import HostKeyError
from stack_runtime.remote import DEPLOY_USER, key_file, ssh_options, write_private


def target(inputs: TargetInputs, folder: Path) -> DockerTarget:
    """Return the server's Docker daemon; in a preview before the first deployment, its address is unknown.

    Args:
        folder: the folder of the key files, with the pinned host key.

    Raises:
        HostKeyError: no host key is pinned yet, and this is no preview.
    """
    settings = inputs.settings
    if pinned(folder) is None and not pulumi.runtime.is_dry_run():
        raise HostKeyError("the server's host key is not accepted yet", next_command="fds setup")

    def address(secrets: Mapping[str, str]) -> str:
        if pulumi.runtime.is_dry_run():  # do not write the key: it may exist only in this preview
            return docker_address(settings) if key_file(folder).exists() else UNKNOWN  # type: ignore[return-value]
        write_private(key_file(folder), secrets["ssh_key"])
        return docker_address(settings)

    provider = docker.Provider(
        f"{settings.stack}-docker",
        host=pulumi.Output.unsecret(inputs.secrets.apply(address)),
        ssh_opts=ssh_options(folder),
        context="",  # otherwise the variables DOCKER_CONTEXT and DOCKER_CERT_PATH would override `host`
        cert_path="",
        opts=inputs.options,
    )
    return DockerTarget(provider, address=settings.ssh_host)


def docker_address(settings: Settings) -> str:
    """Return the address of the daemon for Docker's clients, with brackets around an IPv6 address."""
    host = f"[{settings.ssh_host}]" if ":" in settings.ssh_host else settings.ssh_host
    return f"ssh://{DEPLOY_USER}@{host}:{settings.ssh_port}"

"""The Docker daemon of this machine."""

from __future__ import annotations

import pulumi
import pulumi_docker as docker

from infra.hosts.base import Host
from stack_runtime.docker_endpoint import local_endpoint


def host(stack: str, options: pulumi.ResourceOptions) -> Host:
    """Return the daemon that this machine's user works with.

    The provider prefers `DOCKER_CONTEXT` and `DOCKER_CERT_PATH` of the environment to its host, unless they are given.
    """
    found = local_endpoint()
    provider = docker.Provider(
        f"{stack}-docker", host=found.address, context="", cert_path=found.certificates, opts=options
    )
    return Host(provider)

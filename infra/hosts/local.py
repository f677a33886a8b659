"""The Docker daemon of this machine."""

from __future__ import annotations

import os

import pulumi
import pulumi_docker as docker

from infra.hosts.base import Host


def host(stack: str, options: pulumi.ResourceOptions) -> Host:
    """The daemon that `DOCKER_HOST` names, or the one at Docker's usual socket."""
    address = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    return Host(docker.Provider(f"{stack}-docker", host=address, opts=options))

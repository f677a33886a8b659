"""The Docker daemon of this machine."""

from __future__ import annotations

import os

import pulumi
import pulumi_docker as docker


def provider(options: pulumi.ResourceOptions) -> docker.Provider:
    """The daemon that `DOCKER_HOST` names, or the one at Docker's usual socket."""
    return docker.Provider("docker", host=os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock"), opts=options)

"""Check the inputs of Docker and Hetzner resources, and of Hetzner's provider, by rules that protect the server."""

from __future__ import annotations

from collections.abc import Iterator

from infra.engine.environment import deployed_project
from infra.hosts import account_endpoint, account_token
from infra.policy.docker_rules import of_docker
from infra.policy.hcloud_rules import PROVIDER, of_hcloud, of_provider
from infra.policy.publishing import publishers_of
from infra.policy.resources import Resource
from infra.settings import Settings


def problems(resource: Resource, settings: Settings) -> Iterator[str]:
    """Yield the problems of one resource's inputs, for the stack with these settings."""
    if resource.package == "docker":
        found = of_docker(resource, publishers_of(settings))
    elif resource.package == "hcloud":
        found = of_hcloud(resource, settings)
    elif resource.kind == PROVIDER:
        found = of_provider(resource, account_token(settings, deployed_project()), account_endpoint())
    else:
        return  # `pricing` decides whether resources of other packages are allowed
    for problem in found:
        yield f"{resource.name} {problem}"

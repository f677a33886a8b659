"""Rules that keep one server safe and its limits meaningful: what is known is allowed, the rest is refused."""

from __future__ import annotations

from collections.abc import Iterator

from infra.policy.docker_rules import of_docker
from infra.policy.hcloud_rules import of_hcloud
from infra.policy.publishing import publishers_of
from infra.policy.resources import Resource
from infra.settings import Settings


def problems(resource: Resource, settings: Settings) -> Iterator[str]:
    """Yield what is wrong with the inputs of one resource of the stack that has these settings."""
    if resource.package == "docker":
        found = of_docker(resource, publishers_of(settings))
    elif resource.package == "hcloud":
        found = of_hcloud(resource, settings)
    else:
        return  # whether it may be there at all is a question of its price
    for problem in found:
        yield f"{resource.name} {problem}"

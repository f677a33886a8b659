"""The networks of a stack, and which of them a service is on: derived from what the service declares."""

from __future__ import annotations

import pulumi
import pulumi_docker as docker

from infra import labels
from infra.services import Service
from stack_runtime.paths import PROJECT

INTERNET = "internet"
"""The way out, and in to published ports. Containers on it do not reach each other."""

WEB = "web"
"""The proxy and the UIs behind it, without the internet."""

DATA = "data"
"""Everything but the proxy, without the internet."""

_OPTIONS = {INTERNET: {"com.docker.network.bridge.enable_icc": "false"}}


def networks_of(service: Service) -> tuple[str, ...]:
    """The networks that `service` is on. Ports can be published from the network with the internet alone."""
    proxy = service.published is not None
    on = {INTERNET: service.internet or proxy, WEB: service.route is not None or proxy, DATA: not proxy}
    return tuple(name for name, is_on in on.items() if is_on)


def networks(stack: str, options: pulumi.ResourceOptions) -> dict[str, docker.Network]:
    """Register the networks of `stack`."""
    return {
        name: docker.Network(
            f"{name}-network",
            name=f"{PROJECT}-{stack}-{name}",
            driver="bridge",
            internal=name != INTERNET,
            options=_OPTIONS.get(name),
            labels=[
                docker.NetworkLabelArgs(label=key, value=value) for key, value in sorted(labels.of_stack(stack).items())
            ],
            opts=options,
        )
        for name in (INTERNET, WEB, DATA)
    }


def attachments(service: Service, made: dict[str, docker.Network]) -> list[docker.ContainerNetworksAdvancedArgs]:
    """What puts a container of `service` on its networks, under the service's name where others reach it."""
    return [
        docker.ContainerNetworksAdvancedArgs(name=made[name].name, aliases=None if name == INTERNET else [service.name])
        for name in networks_of(service)
    ]

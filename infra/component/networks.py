"""Define the networks of a stack, and derive from the declaration of a service which networks the service joins."""

from __future__ import annotations

import pulumi
import pulumi_docker as docker

from infra.services import Service
from stack_runtime import labels
from stack_runtime.paths import PROJECT

INTERNET = "internet"
"""Network with access to the internet and with published ports. Its containers cannot reach each other."""

WEB = "web"
"""Network for the proxy, the UIs behind it, and the services that scrape or probe others; without internet access."""

DATA = "data"
"""Network for all services except the proxy and services that only probe UIs; without internet access."""

_OPTIONS = {INTERNET: {"com.docker.network.bridge.enable_icc": "false"}}


def networks_of(service: Service) -> tuple[str, ...]:
    """Return the networks that `service` joins. Ports can only be published on the network `internet`."""
    proxy = service.published is not None
    web = service.route is not None or service.scrapes or service.probes or proxy
    on = {INTERNET: service.internet or proxy, WEB: web, DATA: not proxy and not service.probes}
    return tuple(name for name, is_on in on.items() if is_on)


def networks(stack: str, options: pulumi.ResourceOptions) -> dict[str, docker.Network]:
    """Register the networks of `stack`."""
    return {
        name: docker.Network(
            f"{stack}-{name}-network",
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
    """Return the network inputs for a container of `service`.

    The service's name is an alias of the container in every network except `internet`.
    """
    return [
        docker.ContainerNetworksAdvancedArgs(name=made[name].name, aliases=None if name == INTERNET else [service.name])
        for name in networks_of(service)
    ]

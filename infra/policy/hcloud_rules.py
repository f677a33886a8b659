"""Define which inputs of Hetzner's firewalls, servers and load balancers, and of their provider, are allowed.

A firewall may open only the TCP ports 22, 80 and 443, and port 22 only for the networks in `sshFrom`, if it is set. The
provider may use only the stack's own account.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import ip_network
from typing import Any

from infra.policy.inputs import Rule, anything, each, is_unset, keys, one_of, problems
from infra.policy.resources import SERVER, Resource, Unknown
from infra.settings import Settings

FIREWALL = "hcloud:index/firewall:Firewall"
BALANCER = "hcloud:index/loadBalancerService:LoadBalancerService"
PROVIDER = "pulumi:providers:hcloud"
SSH = "22"
WEB = ("80", "443")


def of_hcloud(resource: Resource, settings: Settings) -> Iterator[str]:
    """Yield the problems of a Hetzner resource, each as a phrase that follows the resource's name."""
    if resource.kind == SERVER and is_unset(resource.props.get("firewallIds")):
        yield "has no firewall in firewallIds, so every port is open"
    elif resource.kind == FIREWALL:
        rules = each(_rule(settings))
        yield from problems(
            resource.props, {"name": anything, "labels": anything, "applyTos": anything, "rules": rules}
        )
    elif resource.kind == BALANCER:
        for key in ("listenPort", "destinationPort"):
            port = resource.props.get(key)
            if not is_unset(port) and _text(port) not in WEB:
                yield f"sets {key} to {port}, allowed is {' or '.join(WEB)}"


def of_provider(resource: Resource, token: str | None, endpoint: str) -> Iterator[str]:
    """Yield why a provider may not be used: the plan knows prices, VAT and resources only of the stack's own account.

    Args:
        token: the stack's token; None when it has none.
        endpoint: address of the API that gives prices and resources.
    """
    for key, counted in (("token", token), ("endpoint", endpoint)):
        value = resource.props.get(key)
        if not is_unset(value) and (not isinstance(value, str) or value.rstrip("/") != counted):
            yield f"has another {key} than the stack, whose account the plan uses"


def _rule(settings: Settings) -> Rule:
    """Return the check of a firewall rule. It refuses outgoing rules, which would block all other outgoing traffic."""
    table = {
        "description": anything,
        "direction": one_of("in"),
        "port": one_of(SSH, *WEB),
        "protocol": one_of("tcp"),
        "sourceIps": anything,
    }

    def rule(path: str, value: Any) -> Iterator[str]:
        if not isinstance(value, dict):
            yield f"sets {path} to {value}, which is not a rule"
            return
        value = {**value, "port": _text(value.get("port"))}
        yield from keys(table)(path, value)
        for key in ("direction", "port", "protocol", "sourceIps"):
            if is_unset(value.get(key)):
                yield f"leaves {path}.{key} open"
        if value["port"] == SSH and not _within(value.get("sourceIps"), settings.ssh_from):
            yield f"opens port 22 to {value.get('sourceIps')}, sshFrom allows {', '.join(settings.ssh_from)}"

    return rule


def _text(port: Any) -> Any:
    """Return a port as text; the provider also accepts numbers."""
    return f"{port:.0f}" if isinstance(port, (int, float)) else port


def _within(sources: Any, allowed: Sequence[str]) -> bool:
    """Return whether every source is inside an allowed network; if `allowed` is empty, every network is allowed."""
    if not allowed:
        return True
    if isinstance(sources, Unknown) or not sources:
        return False
    return all(any(_lies_in(source, network) for network in allowed) for source in sources)


def _lies_in(source: Any, network: str) -> bool:
    try:
        inner, outer = ip_network(str(source), strict=False), ip_network(network)
    except ValueError:
        return False
    return inner.version == outer.version and inner.subnet_of(outer)  # type: ignore[arg-type]

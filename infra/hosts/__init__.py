"""Find the host of a stack by the setting `host`; each kind of host has a package here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from infra.hosts.base import Host
from infra.hosts.hetzner.host import HetznerHost
from infra.hosts.local.host import LocalHost
from infra.hosts.ssh.host import SshHost
from infra.settings import Settings

HOSTS: Mapping[str, Host] = {host.name: host for host in (HetznerHost(), SshHost(), LocalHost())}
"""Hosts by name. `recorded_host` returns the first match: `local` is last, because any container matches it."""


class _OnAHost(Protocol):
    """Anything with the name of its stack's host: `Settings` or a `Plan`."""

    @property
    def host(self) -> str: ...


def host_of(stack: _OnAHost) -> Host:
    """Return the host that settings or a plan name."""
    return HOSTS[stack.host]


def recorded_host(deployment: Mapping[str, Any]) -> str:
    """Return the name of the host that the resources in a Pulumi state are on; empty for a state without resources."""
    made = [item for item in deployment.get("resources") or [] if item.get("id")]
    return next((name for name, host in HOSTS.items() if host.holds(made)), "")


def account_token(settings: Settings, project: Path | None = None) -> str | None:
    """Return the stack's API token for the provider of the price list; None if no host has such a token."""
    found = (host.account_token(settings, project) for host in HOSTS.values())
    return next(filter(None, found), None)


def account_endpoint() -> str:
    """Return the address of the API for which `account_token` is valid; empty if no host has such an API."""
    return next(filter(None, (host.account_endpoint() for host in HOSTS.values())), "")


def take_configuration(stack: str, configuration: Mapping[str, str]) -> None:
    """Pass the engine's decrypted configuration of `stack` to every host, which keeps the values that it needs."""
    for host in HOSTS.values():
        host.take_configuration(stack, configuration)

"""Find the stack's resources in the Hetzner account by label, so that nothing is created twice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from infra.engine.state_edits import INDEPENDENT, Facts
from infra.settings import Settings
from stack_runtime.paths import PROJECT

if TYPE_CHECKING:
    from hcloud import Client
    from hcloud.firewalls import BoundFirewall
    from hcloud.servers import BoundServer
    from hcloud.volumes import BoundVolume
    from hcloud.zones import BoundZoneRRSet


IDENTITY = "identity"
"""Key of the label with the identity of the stack that owns the resource (see `infra.engine.identity`)."""


def selector(settings: Settings, identity: str = "") -> str:
    """Return the label selector of all resources with this stack's name and, if given, with this identity."""
    return f"project={PROJECT},stack={settings.stack}" + (f",{IDENTITY}={identity}" if identity else "")


@dataclass(frozen=True)
class Account:
    """A stack's resources in the Hetzner account.

    Args:
        ids: id of each resource, by kind.
        facts: outputs that may differ from the Pulumi state after a failed or killed update, by kind of resource; only
            of server, volume, volume attachment and firewall.
    """

    ids: dict[str, str] = field(default_factory=dict)
    facts: dict[str, Facts] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: Settings, identity: str) -> Account:
        """Return the resources that have the labels of the stack with this identity.

        Raises:
            UnreachableError: there is no token, or the API refuses it or does not answer.
        """
        from infra.hosts.hetzner.api import request  # imported here: it takes 0.3 s, and a local stack does not need it

        return request(settings.stack, lambda api: _found(api, settings, identity), reads=True)

    def unrecorded(self, known: Mapping[str, str]) -> Account:
        """Return the resources that exist but are not in the Pulumi state, so that a deployment can adopt them.

        Args:
            known: ids in the Pulumi state, by kind.
        """
        return replace(self, ids={kind: found for kind, found in self.ids.items() if known.get(kind) != found})


def server_created_at(settings: Settings, identity: str) -> datetime | None:
    """Return the creation time of the server of the stack with this identity; None if there is no server.

    Raises:
        UnreachableError: there is no token, or the API refuses it or does not answer.
    """
    from infra.hosts.hetzner.api import request

    servers = request(settings.stack, lambda api: labelled(api, "server", settings, identity), reads=True)
    return servers[0].created if servers else None


def record(zone: str, name: str | None, kind: str | None = "A") -> str:
    """Return the import ID of a record set in a zone."""
    return f"{zone}/{name}/{kind}"


def members(api: Client, kind: str) -> Any:
    """Return the part of the API client for one kind of resource, such as `api.servers` for `server`."""
    return getattr(api, f"{kind}s")


def labelled(api: Client, kind: str, settings: Settings, identity: str = "") -> list[Any]:
    """Return the resources of `kind`, such as `server`, that match the stack's `selector`."""
    from infra.hosts.hetzner.api import all_pages

    return all_pages(members(api, kind).get_list, label_selector=selector(settings, identity))


def _found(api: Client, settings: Settings, identity: str) -> Account:
    found = {kind: labelled(api, kind, settings, identity) for kind in INDEPENDENT}
    ids = {kind: str(members[0].id) for kind, members in found.items() if members}
    facts = {kind: FACTS[kind](members[0]) for kind, members in found.items() if members and kind in FACTS}
    for each in records_of(api, settings, identity):
        known = record(settings.dns_zone, each.name, each.type)
        ids[f"record {known}"] = known
    for network in found["network"][:1]:
        if network.subnets:
            ids["subnet"] = f"{network.id}-{network.subnets[0].ip_range}"
    if not found["server"]:
        return Account(ids, facts)
    server = found["server"][0]
    if any(private.network.id == int(ids.get("network", -1)) for private in server.private_net):
        ids["server_network"] = f"{server.id}-{ids['network']}"
    for volume in found["volume"][:1]:
        if volume.server and volume.server.id == server.id:
            ids["volume_attachment"] = str(volume.id)
            facts["volume_attachment"] = {"serverId": server.id}
    return Account(ids, facts)


def _of_server(server: BoundServer) -> Facts:
    protection = dict(server.protection or {})
    firewalls = server.public_net.firewalls if server.public_net else None
    return {
        "serverType": server.server_type.name if server.server_type else None,
        "backups": bool(server.backup_window),
        "firewallIds": [each.firewall.id for each in firewalls or ()],
        "deleteProtection": bool(protection.get("delete")),
        "rebuildProtection": bool(protection.get("rebuild")),
    }


def _of_volume(volume: BoundVolume) -> Facts:
    return {"size": volume.size, "deleteProtection": bool(dict(volume.protection or {}).get("delete"))}


def _of_firewall(firewall: BoundFirewall) -> Facts:
    sides = ("source_ips", "sourceIps"), ("destination_ips", "destinationIps")
    return {
        "rules": [
            {"direction": rule.direction, "protocol": rule.protocol, "port": rule.port, "description": rule.description}
            | {name: list(getattr(rule, key) or ()) for key, name in sides}
            for rule in firewall.rules or ()
        ]
    }


FACTS: dict[str, Callable[[Any], Facts]] = {"server": _of_server, "volume": _of_volume, "firewall": _of_firewall}


def records_of(api: Client, settings: Settings, identity: str = "") -> list[BoundZoneRRSet]:
    """Return the DNS record sets that match the stack's `selector`; empty if the stack's zone is not set or is gone."""
    if not settings.dns_zone:
        return []
    from hcloud import APIException

    from infra.hosts.hetzner.api import all_pages

    try:
        zone = api.zones.get(settings.dns_zone)
        return all_pages(partial(api.zones.get_rrset_list, zone), label_selector=selector(settings, identity))
    except APIException as error:
        if error.code == "not_found":
            return []
        raise

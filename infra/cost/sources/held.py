"""List all paid resources of an account with price and owner: the stack that the labels name, or `STRAY`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from infra.cost.planning.choice import Deployed
from infra.cost.planning.inputs import Running
from infra.cost.planning.json_reader import JsonReader
from infra.cost.planning.lines import Amount, CurrencyConverter, TaxedPrices
from infra.cost.planning.model import STRAY
from infra.cost.sources.live import Account, location_of
from infra.hosts.hetzner.account import IDENTITY
from stack_runtime.errors import UnknownError
from stack_runtime.paths import PROJECT

KINDS: Mapping[str, Mapping[str, str]] = {
    "servers": {},
    "volumes": {},
    "primary_ips": {},
    "floating_ips": {},
    "images": {"type": "snapshot"},
    "load_balancers": {},
}
"""Kinds of paid resources, with the query parameters to list them."""

Entries = Mapping[str, Sequence[JsonReader]]


@dataclass(frozen=True)
class Own:
    """The stack that the costs are computed for.

    Args:
        identity: the stack's identity; if None (unknown), every resource with the stack's name belongs to it.
    """

    stack: str
    identity: str | None = None


@dataclass(frozen=True)
class Priced:
    """One resource and its cost; `amount` is None when the cost is unknown, and `note` says why."""

    entry: JsonReader
    owner: str
    kind: str
    name: str
    amount: Amount | None
    note: str = ""


def ask(accounts: Iterable[Account]) -> list[Entries]:
    """Read all resources of each account; if two tokens belong to one account, its resources are listed once.

    Raises:
        UnreachableError, UnknownError: an API does not answer, or its response is invalid.
    """
    seen: dict[str, set[int]] = {kind: set() for kind in KINDS}
    found: list[Entries] = []
    for account in accounts:
        unseen: dict[str, list[JsonReader]] = {}
        for kind, entries in account.entries(KINDS).items():
            by_id = {entry.get("id").whole(least=0): entry for entry in entries}
            unseen[kind] = [entry for key, entry in by_id.items() if key not in seen[kind]]
            seen[kind] |= by_id.keys()
        found.append(unseen)
    return found


def together(accounts: Iterable[Entries]) -> Entries:
    """Merge the resources of several accounts into one listing."""
    return {kind: [entry for entries in accounts for entry in entries[kind]] for kind in KINDS}


def priced(entries: Entries, tariff: TaxedPrices, own: Own) -> list[Priced]:
    """Return the resources in `entries` with their monthly cost at today's list prices."""
    owners = _owners(entries, own)
    return [
        Priced(entry, _owner(entry, owners, own), *one)
        for kind, found in entries.items()
        for entry in found
        for one in _READERS[kind](entry, tariff)
    ]


def running(entries: Entries, tariff: TaxedPrices, converter: CurrencyConverter, own: Own) -> tuple[Running, ...]:
    """Return the resources in `entries` with prices in euros and dollars, as the inputs of a plan need them."""
    return tuple(
        Running(
            owner=one.owner,
            kind=one.kind,
            resource=one.name,
            eur=converter.eur(one.amount) if one.amount else None,
            usd=converter.usd(one.amount) if one.amount else None,
            note=one.note,
        )
        for one in priced(entries, tariff, own)
    )


def deployed(entries: Entries, own: Own) -> Deployed:
    """Return the server and the volume with the labels of this stack."""
    servers, volumes = (
        [entry for entry in entries[kind] if _owner(entry, {}, own) == own.stack] for kind in ("servers", "volumes")
    )
    gb = max((volume.get("size").whole(least=1) for volume in volumes), default=0)
    place = location_of(volumes[0]) if volumes else ""
    if not servers:
        return Deployed(volume_gb=gb, volume_location=place)
    kind = servers[0].get("server_type")
    disk = servers[0].get("primary_disk_size") if servers[0].has("primary_disk_size") else kind.get("disk")
    architecture = kind.get("architecture").text()
    return Deployed(kind.get("name").text(), location_of(servers[0]), gb, disk.whole(least=1), architecture, place)


def _owners(entries: Mapping[str, Sequence[JsonReader]], own: Own) -> dict[int, str]:
    """Return the owner of each server by id, because an address or snapshot without labels has its server's owner."""
    return {server.get("id").whole(least=0): _owner(server, {}, own) for server in entries["servers"]}


def _owner(entry: JsonReader, servers: Mapping[int, str], own: Own) -> str:
    """Return the owner of a resource: the name of a stack, or `STRAY`.

    If the owner is another stack with the same name as `own`, the identity of that stack follows in parentheses.

    Args:
        servers: owner of each server by id, for resources without labels.
    """
    labels = entry.get("labels").checked_object()
    if not labels.has("project"):
        for key in ("assignee_id", "server"):
            if entry.has(key):
                return servers.get(entry.get(key).whole(least=0), STRAY)
        if entry.has("created_from"):  # a snapshot
            return servers.get(entry.get("created_from").get("id").whole(least=0), STRAY)
    if not labels.has("project") or labels.get("project").value != PROJECT:
        return STRAY
    stack = labels.get("stack").text() if labels.has("stack") and labels.get("stack").value else STRAY
    made_by = labels.get(IDENTITY).text() if labels.has(IDENTITY) and labels.get(IDENTITY).value else own.identity
    if stack == own.stack and own.identity is not None and made_by != own.identity:
        return f"{stack} ({made_by})"
    return stack


_Price = tuple[str, str, Amount | None, str]
"""Kind, name, amount and note of one paid resource."""


def _priced(kind: str, name: str, price: Callable[[], Amount]) -> _Price:
    try:
        return kind, name, price(), ""
    except UnknownError as error:
        return kind, name, None, error.what


def _server(entry: JsonReader, tariff: TaxedPrices) -> list[_Price]:
    kind, place = entry.get("server_type").get("name").text(), location_of(entry)
    name = f"server {entry.get('name').text()} ({kind} in {place})"
    found = [_priced("server", name, lambda: tariff.server(kind, place))]
    if entry.has("backup_window"):
        found.append(_priced("backups", f"backups of {entry.get('name').text()}", lambda: tariff.backups(kind, place)))
    return found


def _volume(entry: JsonReader, tariff: TaxedPrices) -> list[_Price]:
    gb = entry.get("size").whole(least=1)
    return [_priced("volume", f"volume {entry.get('name').text()} ({gb} GB)", lambda: tariff.volume(gb))]


def _primary_ip(entry: JsonReader, tariff: TaxedPrices) -> list[_Price]:
    """Return the price of an IPv4 address; empty for an IPv6 address, which is free."""
    if entry.get("type").text() == "ipv6":
        return []
    place = location_of(entry)
    return [_priced("ipv4", f"IPv4 {entry.get('name').text()} in {place}", lambda: tariff.ipv4(place))]


def _floating_ip(entry: JsonReader, tariff: TaxedPrices) -> list[_Price]:
    kind, place = entry.get("type").text(), entry.get("home_location").get("name").text()
    name = f"floating {kind} {entry.get('name').text()} in {place}"
    return [_priced("floating_ip", name, lambda: tariff.floating_ip(kind, place))]


def _snapshot(entry: JsonReader, tariff: TaxedPrices) -> list[_Price]:
    """Return the price of a snapshot; its amount is None while Hetzner creates the snapshot and the size is unknown."""
    name = f"snapshot {entry.get('id').whole(least=0)}"
    if not entry.has("image_size"):
        return [("snapshot", name, None, "its size is not known yet")]
    gb = entry.get("image_size").size()
    return [_priced("snapshot", f"{name} ({gb.normalize():f} GB)", lambda: tariff.snapshots(gb))]


def _load_balancer(entry: JsonReader, tariff: TaxedPrices) -> list[_Price]:
    kind, place = entry.get("load_balancer_type").get("name").text(), location_of(entry)
    name = f"load balancer {entry.get('name').text()} ({kind} in {place})"
    return [_priced("load_balancer", name, lambda: tariff.load_balancer(kind, place))]


_READERS: Mapping[str, Callable[[JsonReader, TaxedPrices], list[_Price]]] = {
    "servers": _server,
    "volumes": _volume,
    "primary_ips": _primary_ip,
    "floating_ips": _floating_ip,
    "images": _snapshot,
    "load_balancers": _load_balancer,
}

"""Price the resources that the Pulumi program really registers, and decide whether they are allowed in the stack.

The prices come from the same functions as in the planner.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from infra.cost.planning.inputs import RentalInputs
from infra.cost.planning.lines import Amount, TaxedPrices
from infra.cost.planning.planner import judge
from infra.cost.reports.text import money
from infra.hosts import host_of
from infra.policy.resources import CONTAINER, IMAGE, NETWORK, SERVER, VOLUME, Resource, UnknownInputError
from infra.policy.room import lacking, servers
from infra.settings import Settings
from stack_runtime.errors import UnknownError

FREE_PACKAGES = ("pulumi", "random", "tls")
"""Packages whose resources cost nothing: that of Pulumi itself, and those that only compute values. `command` and
dynamic resources are not listed, because they could order anything."""
FREE = frozenset((CONTAINER, IMAGE, NETWORK, VOLUME)) | frozenset(
    f"hcloud:index/{name[0].lower()}{name[1:]}:{name}"
    for name in (
        "SshKey", "Firewall", "FirewallAttachment", "Network", "NetworkSubnet", "NetworkRoute", "ServerNetwork",
        "VolumeAttachment", "FloatingIpAssignment", "Rdns", "PlacementGroup", "Zone", "ZoneRrset", "ZoneRecord",
        "Certificate", "ManagedCertificate", "UploadedCertificate", "LoadBalancerNetwork", "LoadBalancerService",
        "LoadBalancerTarget",
    )
)  # fmt: skip
"""Free kinds of resources besides those of `FREE_PACKAGES`. A kind that is neither free nor priced below is refused."""


def is_free(resource: Resource) -> bool:
    """Return whether a resource costs nothing; a component (no custom resource) is nothing but its children."""
    return not resource.custom or resource.package in FREE_PACKAGES or resource.kind in FREE


_Reader = Callable[[Settings, Sequence[Resource], TaxedPrices], Iterator[Amount]]


def problem(settings: Settings, resources: Sequence[Resource], inputs: RentalInputs) -> str:
    """Return why these resources may not be in the stack, or an empty text.

    Args:
        inputs: prices, rate and the other stacks of the budget group, as for a plan.
    """
    stated, unknown = host_of(settings).bill(settings, inputs)
    if stated:  # the first item is the user's own server, whose price determines the currency of the bill
        inputs = replace(inputs, stated=stated[0].currency)
    amounts, doubts = [*stated], [*unknown]
    lacks: list[str] = []
    try:
        lacks = lacking(resources, inputs)
    except UnknownInputError as error:
        doubts.append(str(error))
    for price in _readers(settings, inputs):
        try:
            amounts += price(settings, resources, TaxedPrices(inputs.price_list, settings.tax))
        except UnknownInputError as error:
            doubts.append(str(error))
        except UnknownError as error:
            doubts.append(error.statement)
    found = judge(settings, inputs, amounts, doubts, lacking="; ".join(lacks))
    if found.verdict == "within":
        return ""
    bill = ", ".join(f"{line.resource} {money(line.monthly_usd)}" for line in found.lines)
    return f"{found.verdict.replace('_', ' ')}: {found.reason} ({bill})"


def _readers(settings: Settings, inputs: RentalInputs) -> Sequence[_Reader]:
    """Return the functions that price resources; none without a price list, because then nothing is rented."""
    if inputs.prices is None:
        return ()
    return (_resources, _besides) if host_of(settings).makes_machine else (_resources,)


def _resources(settings: Settings, resources: Sequence[Resource], tariff: TaxedPrices) -> Iterator[Amount]:
    """Yield the costs of the resources that are not free."""
    for resource in resources:
        if is_free(resource):
            continue
        reader = _READERS.get(resource.kind)
        if reader is None:
            raise UnknownError(f"there is no price for {resource.kind} ({resource.name})")
        yield from reader(resource, tariff)
    yield from _addresses(resources, tariff)
    disks = [tariff.prices.server_types[_text(server, "serverType")].disk_gb for server in servers(resources)]
    for snapshot in resources:
        if snapshot.kind == SNAPSHOT:
            if not disks:
                raise UnknownError(f"the size of {snapshot.name} is not known")
            yield tariff.snapshots(Decimal(max(disks)), resource=f"{snapshot.name} at most")


def _besides(settings: Settings, resources: Sequence[Resource], tariff: TaxedPrices) -> Iterator[Amount]:
    """Yield the costs of what is no Pulumi resource: the snapshots, off-site backup and traffic in the settings."""
    if settings.snapshot_gb:
        yield tariff.snapshots(Decimal(settings.snapshot_gb))
    if settings.offsite_gb:
        yield tariff.offsite(settings)
    for server in list(servers(resources))[:1]:
        yield tariff.traffic(tariff.offer(_text(server, "serverType"), _location(server)), settings.traffic_tb)


def _server(resource: Resource, tariff: TaxedPrices) -> Iterator[Amount]:
    kind, place = _text(resource, "serverType"), _location(resource)
    yield tariff.server(kind, place, resource=f"{resource.name} ({kind} in {place})")
    if resource.get("backups"):
        yield tariff.backups(kind, place, resource=f"backups of {resource.name}")


def _addresses(resources: Sequence[Resource], tariff: TaxedPrices) -> Iterator[Amount]:
    """Yield the costs of IPv4 addresses.

    Each server has an address of its own, or it uses a primary IP resource, or its inputs turn IPv4 off.
    """
    kept = [one for one in resources if one.kind == PRIMARY_IP and _text(one, "type") == "ipv4"]
    for address in kept:
        yield tariff.ipv4(_location(address), resource=f"IPv4 {address.name}")
    for server in servers(resources):
        nets = _nets(server)
        if nets and all(net.get("ipv4Enabled") is False for net in nets):
            continue
        if kept and any(net.props.get("ipv4") for net in nets):
            kept.pop()
            continue
        place = _location(server)
        yield tariff.ipv4(place, resource=f"IPv4 of {server.name}")


def _nets(server: Resource) -> list[Resource]:
    """Return the entries of the server's input `publicNets`; empty if they are missing, or unknown in a preview.

    A server without entries counts as a server with one IPv4 address.
    """
    try:
        return list(server.entries("publicNets"))
    except UnknownInputError:
        return []


def _volume(resource: Resource, tariff: TaxedPrices) -> Iterator[Amount]:
    gb = resource.get("size")
    if isinstance(gb, bool) or not isinstance(gb, (int, float)) or gb <= 0 or gb != int(gb):
        raise UnknownError(f"the size of {resource.name} is not a whole number of GB")
    yield tariff.volume(int(gb), resource=f"{resource.name} ({int(gb)} GB)")


def _floating_ip(resource: Resource, tariff: TaxedPrices) -> Iterator[Amount]:
    kind, place = _text(resource, "type"), _text(resource, "homeLocation")
    yield tariff.floating_ip(kind, place, resource=f"floating {kind} {resource.name}")


def _load_balancer(resource: Resource, tariff: TaxedPrices) -> Iterator[Amount]:
    kind, place = _text(resource, "loadBalancerType"), _text(resource, "location")
    yield tariff.load_balancer(kind, place, resource=f"{resource.name} ({kind})")


def _nothing(resource: Resource, tariff: TaxedPrices) -> Iterator[Amount]:
    """Yield nothing: `_resources` prices this kind of resource together with the servers."""
    return iter(())


PRIMARY_IP = "hcloud:index/primaryIp:PrimaryIp"
SNAPSHOT = "hcloud:index/snapshot:Snapshot"
_READERS: Mapping[str, Callable[[Resource, TaxedPrices], Iterator[Amount]]] = {
    SERVER: _server,
    PRIMARY_IP: _nothing,
    SNAPSHOT: _nothing,
    "hcloud:index/volume:Volume": _volume,
    "hcloud:index/floatingIp:FloatingIp": _floating_ip,
    "hcloud:index/loadBalancer:LoadBalancer": _load_balancer,
}


def _location(resource: Resource) -> str:
    """Return the location: the input `location`, else the first part of the input `datacenter`."""
    if isinstance(resource.props.get("location"), str) and resource.props["location"]:
        return _text(resource, "location")
    datacenter: Any = resource.get("datacenter")
    return datacenter.partition("-")[0] if isinstance(datacenter, str) else _text(resource, "location")


def _text(resource: Resource, key: str) -> str:
    value = resource.get(key)
    if not isinstance(value, str) or not value:
        raise UnknownError(f"{resource.name} has no {key}, so it has no price")
    return value

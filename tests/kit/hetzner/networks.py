"""Simulate private networks with subnets and routes."""

# ruff: noqa: RUF012 (pydantic copies the default of a field)

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, Literal

from pydantic import Field

from . import bodies
from .account import Row
from .collection import Collection
from .errors import ApiError, invalid

PRIVATE = tuple(IPv4Network(net) for net in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))
ZONES = ("eu-central", "us-east", "us-west", "ap-southeast")


class Subnet(bodies.Body):
    type: Literal["cloud", "server", "vswitch"]
    network_zone: str
    ip_range: str | None = None
    vswitch_id: int | None = None


class Route(bodies.Body):
    destination: str
    gateway: str


class NetworkCreate(bodies.Body):
    name: bodies.Name
    ip_range: str
    subnets: Annotated[list[Subnet], Field(max_length=50)] = []
    routes: list[Route] = []
    labels: bodies.Labels = {}
    expose_routes_to_vswitch: bool = False


class NetworkUpdate(bodies.Update):
    expose_routes_to_vswitch: bool | None = None


class IpRange(bodies.Body):
    ip_range: str


def _network(field: str, text: str) -> IPv4Network:
    try:
        net = IPv4Network(text)
    except ValueError as error:
        raise invalid(field, str(error)) from None
    if not any(net.subnet_of(private) for private in PRIVATE):
        raise invalid(field, "must be a private range")
    return net


def free_address(network: Row, taken: set[str], requested: str | None) -> str:
    """Return an address for a server in the network: the requested address, or the first free address of the subnets.

    Raises:
        ApiError: `no_subnet_available` if no address is free or there is no subnet; `ip_not_available` if the
            requested address is in use or in no subnet.
    """
    subnets = [IPv4Network(subnet["ip_range"]) for subnet in network["subnets"]]
    if not subnets:
        raise ApiError("no_subnet_available", "the network has no subnet")
    gateways = {str(net[1]) for net in [IPv4Network(network["ip_range"]), *subnets]}
    if requested is not None:
        inside = _is_address(requested) and any(IPv4Address(requested) in net for net in subnets)
        if not inside or requested in taken | gateways:
            raise ApiError("ip_not_available", f"the address '{requested}' is not available in the network")
        return requested
    for net in subnets:
        for host in net.hosts():
            if str(host) not in taken | gateways:
                return str(host)
    raise ApiError("no_subnet_available", "the network has no free address")


def _is_address(text: str) -> bool:
    try:
        IPv4Address(text)
    except ValueError:
        return False
    return True


class Networks(Collection):
    kind = "network"
    plural = "networks"
    update_body = NetworkUpdate

    def create(self, raw: Row) -> Row:
        body = NetworkCreate.of(raw)
        self.account.unique(self.plural, "name", body.name)
        row: Row = {
            "name": body.name, "ip_range": str(_network("ip_range", body.ip_range)), "subnets": [],
            "routes": [route.model_dump() for route in body.routes], "servers": [], "load_balancers": [],
            "protection": {"delete": False}, "labels": body.labels,
            "expose_routes_to_vswitch": body.expose_routes_to_vswitch,
        }  # fmt: skip
        for subnet in body.subnets:
            row["subnets"].append(self._subnet(row, subnet))
        return {"network": self.view(self.account.add(self.plural, row))}

    def _subnet(self, row: Row, body: Subnet) -> Row:
        whole = IPv4Network(row["ip_range"])
        used = [IPv4Network(subnet["ip_range"]) for subnet in row["subnets"]]
        if body.network_zone not in ZONES:
            raise invalid("network_zone", f"unknown zone '{body.network_zone}'")
        if body.type == "vswitch":
            raise invalid("type", "this double does not support vSwitches")
        if body.ip_range is None:
            length = max(24, whole.prefixlen)
            net = next((n for n in whole.subnets(new_prefix=length) if not any(n.overlaps(u) for u in used)), None)
            if net is None:
                raise invalid("ip_range", "the network has no room for another subnet")
        else:
            net = _network("ip_range", body.ip_range)
        if not net.subnet_of(whole) or any(net.overlaps(other) for other in used):
            raise invalid("ip_range", "must lie in the network and not overlap with another subnet")
        gateway = str(whole[1])
        return {"type": body.type, "ip_range": str(net), "network_zone": body.network_zone, "gateway": gateway}

    def delete(self, row: Row) -> None:
        self.refuse_protected(row)
        for server in self.account.rows["servers"].values():
            server["private_net"] = [net for net in server["private_net"] if net["network"] != row["id"]]
        super().delete(row)

    def _change(self, command: str, row: Row) -> Row:
        """Start an action that changes a network; like the real API, refuse simultaneous changes with `conflict`."""
        if row.get("_held"):
            raise ApiError("conflict", "the network is being changed, please retry")
        return self.acted(command, row, holds=[row])

    def do_add_subnet(self, row: Row, raw: Row) -> Row:
        subnet = self._subnet(row, Subnet.of(raw))
        answer = self._change("add_subnet", row)
        row["subnets"].append(subnet)
        return answer

    def do_delete_subnet(self, row: Row, raw: Row) -> Row:
        removed = IpRange.of(raw).ip_range
        kept = [subnet for subnet in row["subnets"] if subnet["ip_range"] != removed]
        if len(kept) == len(row["subnets"]):
            raise ApiError("not_found", f"subnet '{removed}' not found")
        inside = IPv4Network(removed)
        for server in self.account.rows["servers"].values():
            if any(net["network"] == row["id"] and IPv4Address(net["ip"]) in inside for net in server["private_net"]):
                raise ApiError("service_error", "cannot remove subnet because servers are attached to it")
        answer = self._change("delete_subnet", row)
        row["subnets"] = kept
        return answer

    def do_add_route(self, row: Row, raw: Row) -> Row:
        route = Route.of(raw).model_dump()
        if route in row["routes"]:
            raise ApiError("uniqueness_error", "the network has this route")
        answer = self._change("add_route", row)
        row["routes"].append(route)
        return answer

    def do_delete_route(self, row: Row, raw: Row) -> Row:
        route = Route.of(raw).model_dump()
        if route not in row["routes"]:
            raise ApiError("not_found", "route not found")
        answer = self._change("delete_route", row)
        row["routes"].remove(route)
        return answer

    def do_change_ip_range(self, row: Row, raw: Row) -> Row:
        wider = _network("ip_range", IpRange.of(raw).ip_range)
        if not IPv4Network(row["ip_range"]).subnet_of(wider):
            raise invalid("ip_range", "must contain the present range")
        answer = self._change("change_ip_range", row)
        row["ip_range"] = str(wider)
        return answer

"""Simulate primary IPs (the public addresses of servers) and floating IPs (additional addresses)."""

from __future__ import annotations

from . import bodies
from .account import Account, Row
from .collection import Collection
from .errors import ApiError, invalid, not_unique


def check(account: Account, wanted: bodies.PublicNet, place: str) -> None:
    """Raise an error if a new server at `place` cannot use the primary IPs that its request names.

    Raises:
        ApiError: `invalid_input`, or a code that states the reason, such as `primary_ip_assigned`.
    """
    for version, identity in (("ipv4", wanted.ipv4), ("ipv6", wanted.ipv6)):
        if identity is None:
            continue
        ip = account.named("primary_ips", f"public_net.{version}", identity)
        if ip["type"] != version:
            raise ApiError("primary_ip_version_mismatch", "the primary IP has the wrong IP version")
        if ip["assignee_id"] is not None:
            raise ApiError("primary_ip_assigned", "the primary IP is already assigned to a server")
        if ip["location"]["name"] != place:
            raise ApiError("primary_ip_datacenter_mismatch", "the primary IP is at a different location")


def give(account: Account, server: Row, wanted: bodies.PublicNet, place: str) -> None:
    """Assign the primary IPs that the request names to the new server; create one for each other enabled IP version."""
    sides = (("ipv4", wanted.enable_ipv4, wanted.ipv4), ("ipv6", wanted.enable_ipv6, wanted.ipv6))
    for version, enabled, identity in sides:
        if identity is not None:
            account.rows["primary_ips"][identity]["assignee_id"] = server["id"]
        elif enabled:
            location = account.catalogue.location("location", place)
            row = _new(account, version, location, {"assignee_id": server["id"], "auto_delete": True})
            row["name"] = f"primary_ip-{row['id']}"


def release(account: Account, server: int) -> None:
    """Unassign the addresses of a deleted server, and delete the addresses that have `auto_delete`."""
    for ip in list(account.rows["primary_ips"].values()):
        if ip["assignee_id"] == server:
            ip["assignee_id"] = None
            if ip["auto_delete"]:
                del account.rows["primary_ips"][ip["id"]]
    for floating in account.rows["floating_ips"].values():
        if floating["server"] == server:
            floating["server"] = None


def _new(account: Account, version: str, location: Row, more: Row) -> Row:
    row = account.add("primary_ips", {
        "name": "", "type": version, "ip": "", "assignee_type": "server", "assignee_id": None, "auto_delete": False,
        "blocked": False, "dns_ptr": [], "labels": {}, "protection": {"delete": False}, "location": location, **more,
    })  # fmt: skip
    row["ip"] = _address(account, version, row["id"])
    if version == "ipv4":
        row["dns_ptr"] = [{"ip": row["ip"], "dns_ptr": f"static.{row['ip']}.clients.example.net"}]
    return row


def _address(account: Account, version: str, identity: int) -> str:
    if version == "ipv6":
        return f"2001:db8:{identity % 65_536:x}:{identity // 65_536:x}::/64"
    ips = [*account.rows["primary_ips"].values(), *account.rows["floating_ips"].values()]
    return account.machines.address(frozenset(ip["ip"] for ip in ips))


class PrimaryIps(Collection):
    kind = "primary_ip"
    plural = "primary_ips"
    filters = ("name", "ip")
    update_body = bodies.PrimaryIpUpdate

    def create(self, raw: Row) -> Row:
        body = bodies.PrimaryIpCreate.of(raw)
        account = self.account
        if (body.assignee_id is None) == (body.location is None):
            raise invalid("location", "give either a location or an assignee")
        account.unique(self.plural, "name", body.name)
        place = self._place(body)
        row = _new(account, body.type, place, {
            "name": body.name, "auto_delete": body.auto_delete, "labels": body.labels,
        })  # fmt: skip
        answer = {"primary_ip": self.view(row), "action": None}
        if body.assignee_id is not None:
            answer |= self._assign(row, body.assignee_id)
        return answer

    def _place(self, body: bodies.PrimaryIpCreate) -> Row:
        if body.location is not None:
            return self.account.catalogue.location("location", body.location)
        place: Row = self.account.named("servers", "assignee_id", body.assignee_id or 0)["location"]
        return place

    def delete(self, row: Row) -> None:
        self.refuse_protected(row)
        if row["assignee_id"] is not None:
            raise ApiError("must_be_unassigned", "the primary IP must be unassigned first")
        super().delete(row)

    def _assign(self, row: Row, identity: int) -> Row:
        server = self.account.named("servers", "assignee_id", identity)
        if row["assignee_id"] is not None:
            raise ApiError("primary_ip_already_assigned", "the primary IP is already assigned")
        if any(ip["assignee_id"] == identity and ip["type"] == row["type"] for ip in self.all()):
            raise ApiError(f"server_has_{row['type']}", f"the server already has an {row['type']} address")
        if server["status"] != "off":
            raise ApiError("server_not_stopped", "the server must be off")
        effect = lambda: row.update(assignee_id=identity)  # noqa: E731
        return self.acted("assign_primary_ip", row, (("server", identity),), effect=effect, holds=[row, server])

    def do_assign(self, row: Row, raw: Row) -> Row:
        return self._assign(row, bodies.PrimaryIpAssign.of(raw).assignee_id)

    def do_unassign(self, row: Row, raw: Row) -> Row:
        bodies.Empty.of(raw)
        if row["assignee_id"] is None:
            raise ApiError("primary_ip_not_assigned", "the primary IP is not assigned")
        server = self.account.get("servers", row["assignee_id"])
        if server["status"] != "off":
            raise ApiError("server_not_stopped", "the server must be off")
        return self.acted("unassign_primary_ip", row, effect=lambda: row.update(assignee_id=None), holds=[row])

    def do_change_dns_ptr(self, row: Row, raw: Row) -> Row:
        pointer = bodies.DnsPtr.of(raw).model_dump()
        return self.acted("change_dns_ptr", row, effect=lambda: row.update(dns_ptr=[pointer]))


class FloatingIps(Collection):
    kind = "floating_ip"
    plural = "floating_ips"
    update_body = bodies.FloatingIpUpdate

    def create(self, raw: Row) -> Row:
        body = bodies.FloatingIpCreate.of(raw)
        account = self.account
        if body.home_location is None and body.server is None:
            raise invalid("home_location", "give a location or a server")
        server = None if body.server is None else account.named("servers", "server", body.server)
        place = server["location"] if server else account.catalogue.location("home_location", body.home_location or "")
        if body.name is not None and any(ip["name"] == body.name for ip in self.all()):
            raise not_unique(self.kind, "name")
        row = account.add(self.plural, {
            "name": "", "description": body.description, "type": body.type, "ip": "", "server": None, "dns_ptr": [],
            "home_location": place, "blocked": False, "protection": {"delete": False}, "labels": body.labels,
        })  # fmt: skip
        row["name"] = body.name or f"floating-ip-{row['id']}"
        row["ip"] = _address(account, body.type, row["id"])
        answer = {"floating_ip": self.view(row), "action": None}
        return answer | self._assign(row, server["id"]) if server else answer

    def _assign(self, row: Row, identity: int) -> Row:
        also = (("server", identity),)
        return self.acted("assign_floating_ip", row, also, effect=lambda: row.update(server=identity), holds=[row])

    def do_assign(self, row: Row, raw: Row) -> Row:
        return self._assign(row, self.account.named("servers", "server", bodies.ServerRef.of(raw).server)["id"])

    def do_unassign(self, row: Row, raw: Row) -> Row:
        bodies.Empty.of(raw)
        return self.acted("unassign_floating_ip", row, effect=lambda: row.update(server=None), holds=[row])

    def do_change_dns_ptr(self, row: Row, raw: Row) -> Row:
        pointer = bodies.DnsPtr.of(raw).model_dump()
        return self.acted("change_dns_ptr", row, effect=lambda: row.update(dns_ptr=[pointer]))

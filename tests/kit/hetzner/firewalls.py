"""Simulate firewalls, which are applied to servers by id or by label."""

# ruff: noqa: RUF012 (pydantic copies the default of a field)

from __future__ import annotations

from ipaddress import ip_network
from typing import Annotated, Any, Literal

from pydantic import Field

from . import bodies
from .account import Account, Row
from .collection import Collection
from .errors import ApiError, invalid
from .selectors import matcher


class Rule(bodies.Body):
    direction: Literal["in", "out"]
    protocol: Literal["tcp", "udp", "icmp", "esp", "gre"]
    source_ips: Annotated[list[str], Field(max_length=100)] = []
    destination_ips: Annotated[list[str], Field(max_length=100)] = []
    port: str | None = None
    description: Annotated[str, Field(max_length=255)] | None = None


class ServerId(bodies.Body):
    id: int


class Selector(bodies.Body):
    selector: str


class Resource(bodies.Body):
    type: Literal["server", "label_selector"]
    server: ServerId | None = None
    label_selector: Selector | None = None
    applied_to_resources: list[Any] | None = None


class FirewallCreate(bodies.Body):
    name: bodies.Name
    rules: Annotated[list[Rule], Field(max_length=50)] = []
    apply_to: list[Resource] = []
    labels: bodies.Labels = {}


class Rules(bodies.Body):
    rules: Annotated[list[Rule], Field(max_length=50)]


class ApplyTo(bodies.Body):
    apply_to: list[Resource]


class RemoveFrom(bodies.Body):
    remove_from: list[Resource]


def _checked(rule: Rule) -> Row:
    sides = (("in", rule.source_ips, "source_ips"), ("out", rule.destination_ips, "destination_ips"))
    for direction, networks, field in sides:
        if direction == rule.direction and not networks:
            raise invalid(f"rules.{field}", "is needed for this direction")
        for text in networks:
            try:
                ip_network(text)
            except ValueError as error:
                raise invalid(f"rules.{field}", str(error)) from None
    if (rule.protocol in ("tcp", "udp")) != (rule.port is not None):
        raise invalid("rules.port", "is required for tcp and udp, and not allowed otherwise")
    if rule.port is not None and not _is_port(rule.port):
        raise invalid("rules.port", f"'{rule.port}' is not a port or range of ports")
    return rule.model_dump()


def _is_port(text: str) -> bool:
    parts = ["1", "65535"] if text == "any" else text.split("-")
    if not 1 <= len(parts) <= 2 or not all(part.isdecimal() and 1 <= int(part) <= 65_535 for part in parts):
        return False
    return int(parts[0]) <= int(parts[-1])


def of_server(account: Account, server: Row) -> list[Row]:
    """Return the firewalls that apply to a server."""
    return [f for f in account.rows["firewalls"].values() if any(_covers(use, server) for use in f["applied_to"])]


def _covers(use: Row, server: Row) -> bool:
    if use["type"] == "server":
        return bool(use["server"]["id"] == server["id"])
    return matcher(use["label_selector"]["selector"])(server["labels"])


def rules(account: Account, server: Row) -> tuple[Row, ...] | None:
    """Return the inbound rules that apply to a server, or `None` if the server has no firewall."""
    applied = of_server(account, server)
    if not applied:
        return None
    return tuple(rule for firewall in applied for rule in firewall["rules"] if rule["direction"] == "in")


def forget(account: Account, server: int) -> None:
    """Remove a deleted server from every firewall."""
    for firewall in account.rows["firewalls"].values():
        firewall["applied_to"] = [
            use for use in firewall["applied_to"] if use["type"] != "server" or use["server"]["id"] != server
        ]


class Firewalls(Collection):
    kind = "firewall"
    plural = "firewalls"

    def view(self, row: Row) -> Row:
        shown = []
        for use in row["applied_to"]:
            if use["type"] == "label_selector":
                servers = [s["id"] for s in self.account.rows["servers"].values() if _covers(use, s)]
                use = use | {"applied_to_resources": [{"type": "server", "server": {"id": i}} for i in servers]}
            shown.append(use)
        return super().view(row) | {"applied_to": shown}

    def create(self, raw: Row) -> Row:
        body = FirewallCreate.of(raw)
        self.account.unique(self.plural, "name", body.name)
        checked = [_checked(rule) for rule in body.rules]
        uses = [self._use(resource) for resource in body.apply_to]
        row = self.account.add(self.plural, {
            "name": body.name, "labels": body.labels, "rules": checked, "applied_to": uses,
        })  # fmt: skip
        actions = [self._pass_on("set_firewall_rules", row, ())]
        actions += [self._pass_on("apply_firewall", row, (use,)) for use in uses]
        return {"firewall": self.view(row), "actions": actions}

    def _use(self, resource: Resource) -> Row:
        if resource.type == "server" and resource.server is not None:
            if resource.server.id not in self.account.rows["servers"]:
                raise ApiError("firewall_resource_not_found", f"server {resource.server.id} not found")
            return {"type": "server", "server": {"id": resource.server.id}}
        if resource.type == "label_selector" and resource.label_selector is not None:
            matcher(resource.label_selector.selector)
            return {"type": "label_selector", "label_selector": {"selector": resource.label_selector.selector}}
        raise invalid(resource.type, "is missing")

    def _pass_on(self, command: str, row: Row, uses: tuple[Row, ...]) -> Row:
        """Start the action `command`.

        On each server that an entry of `uses` covers, it sets the inbound rules of all firewalls of this server.
        """
        account = self.account
        on = [("firewall", row["id"])]
        on += [("server", use["server"]["id"]) for use in uses if use["type"] == "server"]

        def work() -> None:
            with account.lock:
                servers = [s for s in account.rows["servers"].values() if any(_covers(use, s) for use in uses)]
                wanted = {server["id"]: rules(account, server) for server in servers}
            for identity, inbound in wanted.items():
                account.machines.firewall(identity, inbound)

        return account.act(command, on, work=work)

    def delete(self, row: Row) -> None:
        if row["applied_to"]:
            raise ApiError("resource_in_use", "firewall is still in use")
        super().delete(row)

    def do_set_rules(self, row: Row, raw: Row) -> Row:
        row["rules"] = [_checked(rule) for rule in Rules.of(raw).rules]
        return {"actions": [self._pass_on("set_firewall_rules", row, tuple(row["applied_to"]))]}

    def do_apply_to_resources(self, row: Row, raw: Row) -> Row:
        uses = [self._use(resource) for resource in ApplyTo.of(raw).apply_to]
        if any(use in row["applied_to"] for use in uses):
            raise ApiError("firewall_already_applied", "firewall was already applied on the resource")
        row["applied_to"] += uses
        return {"actions": [self._pass_on("apply_firewall", row, (use,)) for use in uses]}

    def do_remove_from_resources(self, row: Row, raw: Row) -> Row:
        uses = [self._use(resource) for resource in RemoveFrom.of(raw).remove_from]
        if any(use not in row["applied_to"] for use in uses):
            raise ApiError("firewall_already_removed", "firewall was already removed from the resource")
        row["applied_to"] = [use for use in row["applied_to"] if use not in uses]
        return {"actions": [self._pass_on("remove_firewall", row, (use,)) for use in uses]}

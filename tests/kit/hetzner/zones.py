"""Simulate DNS zones and their record sets."""

# ruff: noqa: RUF012 (pydantic copies the default of a field)

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv6Address
from typing import Annotated, Literal

from pydantic import Field

from . import bodies
from .account import Account, Row, now
from .collection import Collection
from .errors import ApiError, invalid, not_unique, protected
from .selectors import Query, chosen, page

NAMESERVERS = ["hydrogen.ns.hetzner.com.", "oxygen.ns.hetzner.com.", "helium.ns.hetzner.de."]
_LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_ZONE = re.compile(rf"{_LABEL}(\.{_LABEL})+")
_NAME = re.compile(rf"@|(\*|{_LABEL})(\.{_LABEL})*")
Type = Literal["A", "AAAA", "CAA", "CNAME", "DS", "HINFO", "HTTPS", "MX", "NS", "PTR", "RP", "SOA", "SRV", "SVCB",
               "TLSA", "TXT"]  # fmt: skip


Values = dict[str, Row]


class Record(bodies.Body):
    value: Annotated[str, Field(min_length=1)]
    comment: str | None = None


class RRSet(bodies.Body):
    name: str
    type: Type
    ttl: bodies.Ttl | None = None
    records: Annotated[list[Record], Field(min_length=1)]
    labels: bodies.Labels = {}


class ZoneCreate(bodies.Body):
    name: str
    mode: Literal["primary"]
    ttl: bodies.Ttl = 3600
    labels: bodies.Labels = {}
    rrsets: list[RRSet] = []


class ZoneUpdate(bodies.Body):
    labels: bodies.Labels | None = None


class ZoneTtl(bodies.Body):
    ttl: bodies.Ttl


class RRSetTtl(bodies.Body):
    ttl: bodies.Ttl | None


class Records(bodies.Body):
    records: Annotated[list[Record], Field(min_length=1)]
    ttl: bodies.Ttl | None = None


class RRSetProtection(bodies.Body):
    change: bool


def _check_value(kind: str, value: str) -> None:
    try:
        if kind == "A":
            IPv4Address(value)
        elif kind == "AAAA":
            IPv6Address(value)
        elif kind == "TXT" and not (len(value) > 1 and value[0] == value[-1] == '"'):
            raise ValueError("a TXT value must be in double quotes")
    except ValueError as error:
        raise invalid("records", str(error)) from None


def _records(kind: str, records: list[Record]) -> list[Row]:
    for record in records:
        _check_value(kind, record.value)
    values = [record.value for record in records]
    if len(set(values)) != len(values):
        raise invalid("records", "values must differ")
    return [record.model_dump() for record in records]


def _without(old: Values, new: Values) -> Values:
    return {value: record for value, record in old.items() if value not in new}


class RRSets(Collection):
    """The record sets of one zone."""

    kind = "rrset"
    plural = "rrsets"

    def __init__(self, account: Account, zone: Row) -> None:
        super().__init__(account)
        self.zone = zone
        self.rrsets: dict[str, Row] = zone["_rrsets"]

    def find(self, key: str) -> Row:
        try:
            return self.rrsets[key]
        except KeyError:
            raise ApiError("not_found", f"rrset '{key}' not found") from None

    def list(self, query: Query) -> Row:
        rows, meta = page(chosen(self.rrsets.values(), query, ("name", "type")), query)
        return {"rrsets": [self.view(row) for row in rows], "meta": meta}

    def create(self, raw: Row) -> Row:
        row = self.new(RRSet.of(raw))
        return {"rrset": self.view(row), "action": self.changed("create_rrset")}

    def new(self, body: RRSet) -> Row:
        """Add a record set to the zone."""
        key = f"{body.name}/{body.type}"
        if not _NAME.fullmatch(body.name):
            raise invalid("name", "must be '@' or a name within the zone, in lower case")
        if key in self.rrsets:
            raise not_unique("rrset", "name")
        self.rrsets[key] = {
            "id": key, "name": body.name, "type": body.type, "ttl": body.ttl, "labels": body.labels,
            "protection": {"change": False}, "records": _records(body.type, body.records),
            "zone": self.zone["id"],
        }  # fmt: skip
        return self.rrsets[key]

    def changed(self, command: str) -> Row:
        """Start the API's action `command` for a change of the zone, and return the action."""
        return self.account.act(command, [("zone", self.zone["id"])])

    def update(self, row: Row, raw: Row) -> Row:
        row.update(ZoneUpdate.of(raw).model_dump(exclude_none=True))
        return self.get(row)

    def _refuse_protected(self, row: Row) -> None:
        if row["protection"]["change"]:
            raise protected("rrset")

    def delete(self, row: Row) -> Row:
        self._refuse_protected(row)
        del self.rrsets[row["id"]]
        return {"action": self.changed("delete_rrset")}

    def do_change_protection(self, row: Row, raw: Row) -> Row:
        row["protection"] = RRSetProtection.of(raw).model_dump()
        return {"action": self.changed("change_rrset_protection")}

    def do_change_ttl(self, row: Row, raw: Row) -> Row:
        body = RRSetTtl.of(raw)
        self._refuse_protected(row)
        row["ttl"] = body.ttl
        return {"action": self.changed("change_rrset_ttl")}

    def do_set_records(self, row: Row, raw: Row) -> Row:
        return self._set(row, raw, "set_rrset_records", lambda _old, new: new)

    def do_add_records(self, row: Row, raw: Row) -> Row:
        return self._set(row, raw, "add_rrset_records", lambda old, new: old | new)

    def do_remove_records(self, row: Row, raw: Row) -> Row:
        return self._set(row, raw, "remove_rrset_records", _without)

    def do_update_records(self, row: Row, raw: Row) -> Row:
        return self._set(row, raw, "update_rrset_records", lambda old, new: old | {k: new[k] for k in new if k in old})

    def _set(self, row: Row, raw: Row, command: str, merge: Callable[[Values, Values], Values]) -> Row:
        """Replace the records of a record set by the result of `merge`; remove the record set if no record is left."""
        body = Records.of(raw)
        self._refuse_protected(row)
        new = {record["value"]: record for record in _records(row["type"], body.records)}
        merged = merge({record["value"]: record for record in row["records"]}, new)
        row["records"] = list(merged.values())
        if "ttl" in body.model_fields_set:
            row["ttl"] = body.ttl
        if not merged:
            del self.rrsets[row["id"]]
        return {"action": self.changed(command)}


class Zones(Collection):
    """The zones of the project; the path of a request names a zone by id or by name."""

    kind = "zone"
    plural = "zones"
    filters = ("name", "mode")
    update_body = ZoneUpdate

    def find(self, key: str) -> Row:
        for row in self.all():
            if key in (str(row["id"]), row["name"]):
                return row
        raise ApiError("not_found", f"zone '{key}' not found")

    def view(self, row: Row) -> Row:
        return super().view(row) | {"record_count": sum(len(rrset["records"]) for rrset in row["_rrsets"].values())}

    def create(self, raw: Row) -> Row:
        body = ZoneCreate.of(raw)
        if not _ZONE.fullmatch(body.name):
            raise invalid("name", "must be a domain name in lower case, without a dot at its end")
        self.account.unique(self.plural, "name", body.name)
        row: Row = {
            "name": body.name, "mode": body.mode, "ttl": body.ttl, "labels": body.labels, "primary_nameservers": [],
            "protection": {"delete": False}, "registrar": "other", "status": "ok", "_rrsets": {},
            "authoritative_nameservers": {
                "assigned": NAMESERVERS, "delegated": NAMESERVERS, "delegation_last_check": now(),
                "delegation_status": "valid",
            },
        }  # fmt: skip
        row = self.account.add(self.plural, row)
        try:
            self._fill(row, body)
        except ApiError:
            del self.account.rows[self.plural][row["id"]]
            raise
        return {"zone": self.view(row), **self.acted("create_zone", row)}

    def _fill(self, row: Row, body: ZoneCreate) -> None:
        rrsets = RRSets(self.account, row)
        soa = f"{NAMESERVERS[0]} dns.hetzner.com. 2026010100 86400 10800 3600000 3600"
        rrsets.new(RRSet(name="@", type="SOA", records=[Record(value=soa)]))
        rrsets.new(RRSet(name="@", type="NS", records=[Record(value=server) for server in NAMESERVERS]))
        for rrset in body.rrsets:
            rrsets.new(rrset)

    def delete(self, row: Row) -> Row:
        self.refuse_protected(row)
        answer = self.acted("delete_zone", row)
        del self.account.rows[self.plural][row["id"]]
        return answer

    def do_change_ttl(self, row: Row, raw: Row) -> Row:
        row["ttl"] = ZoneTtl.of(raw).ttl
        return self.acted("change_ttl", row)


def addresses(zones: Iterable[Row], name: str) -> list[str]:
    """Return the IPv4 addresses that the zones have for a name, or an empty list if they have none."""
    for zone in zones:
        if name == zone["name"] or name.endswith(f".{zone['name']}"):
            below = name.removesuffix(zone["name"]).rstrip(".") or "@"
            owner = _owner({rrset["name"] for rrset in zone["_rrsets"].values()}, below)
            return [record["value"] for record in zone["_rrsets"].get(f"{owner}/A", {"records": []})["records"]]
    return []


def _owner(owners: set[str], name: str) -> str:
    """Return `name` if it exists in the zone, or else the wildcard (`*`) below its nearest parent that exists."""
    if any(owner == name or owner.endswith(f".{name}") for owner in owners):
        return name
    _, _, above = name.partition(".")
    if not above:
        return "*"
    found = _owner(owners, above)
    return f"*.{above}" if found == above else found

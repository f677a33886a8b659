"""What the account really runs, priced like a plan and set beside it: our own stacks by label, and strays.

The API does not say what a server was ordered at, so today's list price counts; and what was deleted earlier this
month is billed but no longer listed. Both are said in the report.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal

from infra.cost.actual_model import STRAY, Actual, Item
from infra.cost.checked import Answer
from infra.cost.lines import Amount, Tariff, Till, add, up
from infra.cost.live import Account, location_of
from infra.cost.model import Plan
from infra.cost.prices import PriceList
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
HOURS_TO_CAP = 624


@dataclass(frozen=True)
class _Priced:
    """One thing and what it costs; `amount` is None when the list has no price for it."""

    entry: Answer
    name: str
    amount: Amount | None
    note: str = ""


def ask(plan: Plan, prices: PriceList, account: Account, now: datetime) -> Actual:
    """Price everything that `account` holds at `now`.

    Raises:
        UnreachableError, UnknownError: the API does not answer, or not credibly.
    """
    tariff = Tariff(prices, plan.tax)
    till = Till(plan.fx.rate if plan.fx else None)
    held = account.entries(KINDS)
    owners = _owners(held)
    priced = [item for kind, entries in held.items() for entry in entries for item in _READERS[kind](entry, tariff)]
    items = sorted(
        (_item(one, till, now, owners) for one in priced), key=lambda item: (item.owner == STRAY, item.owner)
    )
    return _sum(plan, items)


def _sum(plan: Plan, items: Sequence[Item]) -> Actual:
    warnings = ["list prices: an older server may pay less", "what was deleted earlier this month is not listed"]
    strays = [item for item in items if item.owner == STRAY]
    if strays:
        warnings.append(f"{len(strays)} resources belong to no stack of this project")
    if any(item.monthly_usd is None for item in items):
        warnings.append("some prices are unknown, and so are the sums")
    return Actual(
        stack=plan.stack,
        items=tuple(items),
        total_usd=add(item.monthly_usd for item in items),
        so_far_usd=add(item.so_far_usd for item in items),
        stack_usd=add(item.monthly_usd for item in items if item.owner == plan.stack),
        planned_usd=plan.total_usd,
        budget_usd=plan.budget_usd,
        warnings=tuple(warnings),
    )


def _item(priced: _Priced, till: Till, now: datetime, owners: Mapping[int, str]) -> Item:
    hours = _hours(priced.entry.get("created"), now)
    amount = priced.amount
    return Item(
        owner=_owner(priced.entry, owners),
        resource=priced.name,
        hours=hours,
        monthly_usd=till.usd(amount) if amount else None,
        so_far_usd=_so_far(amount, till, hours) if amount else None,
        note=priced.note,
    )


def _so_far(amount: Amount, till: Till, hours: int) -> Decimal | None:
    """Hours at their price, or their part of the month, up to the cap."""
    by_hour = amount.hourly * hours if amount.hourly is not None else amount.native * hours / HOURS_TO_CAP
    part = min(amount.native, by_hour)
    if amount.currency == "USD":
        return up(part)
    return None if till.rate is None else up(part * till.rate)


def _hours(created: Answer, now: datetime) -> int:
    """Started hours of this month."""
    try:
        began = datetime.fromisoformat(created.text())
    except ValueError:
        raise created.fail("is not a time") from None
    month = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    seconds = (now - max(began if began.tzinfo else began.replace(tzinfo=UTC), month)).total_seconds()
    return max(1, int((Decimal(str(seconds)) / 3600).to_integral_value(rounding=ROUND_CEILING)))


def _owners(entries: Mapping[str, Sequence[Answer]]) -> dict[int, str]:
    """Servers by id: an address that was made with its server has no labels of its own."""
    return {server.get("id").whole(least=0): _owner(server, {}) for server in entries["servers"]}


def _owner(entry: Answer, servers: Mapping[int, str]) -> str:
    labels = entry.get("labels")
    for key in ("assignee_id", "server"):
        if entry.has(key) and not labels.has("project"):
            return servers.get(entry.get(key).whole(least=0), STRAY)
    if not labels.has("project") or labels.get("project").text() != PROJECT or not labels.has("stack"):
        return STRAY
    return labels.get("stack").text()


def _priced(entry: Answer, name: str, price: Callable[[], Amount]) -> _Priced:
    try:
        return _Priced(entry, name, price())
    except UnknownError as error:
        return _Priced(entry, name, None, error.what)


def _server(entry: Answer, tariff: Tariff) -> list[_Priced]:
    kind, place = entry.get("server_type").get("name").text(), location_of(entry)
    name = f"server {entry.get('name').text()} ({kind} in {place})"
    found = [_priced(entry, name, lambda: tariff.server(kind, place))]
    if entry.has("backup_window"):
        found.append(_priced(entry, f"backups of {entry.get('name').text()}", lambda: tariff.backups(kind, place)))
    return found


def _volume(entry: Answer, tariff: Tariff) -> list[_Priced]:
    gb = entry.get("size").whole(least=1)
    return [_priced(entry, f"volume {entry.get('name').text()} ({gb} GB)", lambda: tariff.volume(gb))]


def _primary_ip(entry: Answer, tariff: Tariff) -> list[_Priced]:
    """IPv6 is free."""
    if entry.get("type").text() == "ipv6":
        return []
    place = location_of(entry)
    return [_priced(entry, f"IPv4 {entry.get('name').text()} in {place}", lambda: tariff.ipv4(place))]


def _floating_ip(entry: Answer, tariff: Tariff) -> list[_Priced]:
    kind, place = entry.get("type").text(), entry.get("home_location").get("name").text()
    name = f"floating {kind} {entry.get('name').text()} in {place}"
    return [_priced(entry, name, lambda: tariff.floating_ip(kind, place))]


def _snapshot(entry: Answer, tariff: Tariff) -> list[_Priced]:
    """A snapshot in the making has no size yet, and so no price."""
    name = f"snapshot {entry.get('id').whole(least=0)}"
    if not entry.has("image_size"):
        return [_Priced(entry, name, None, "its size is not known yet")]
    gb = entry.get("image_size").size()
    return [_priced(entry, f"{name} ({gb.normalize():f} GB)", lambda: tariff.snapshots(gb))]


def _load_balancer(entry: Answer, tariff: Tariff) -> list[_Priced]:
    kind, place = entry.get("load_balancer_type").get("name").text(), location_of(entry)
    name = f"load balancer {entry.get('name').text()} ({kind} in {place})"
    return [_priced(entry, name, lambda: tariff.load_balancer(kind, place))]


_READERS: Mapping[str, Callable[[Answer, Tariff], list[_Priced]]] = {
    "servers": _server,
    "volumes": _volume,
    "primary_ips": _primary_ip,
    "floating_ips": _floating_ip,
    "images": _snapshot,
    "load_balancers": _load_balancer,
}

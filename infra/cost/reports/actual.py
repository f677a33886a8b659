"""Price the resources that an account really has, name the stack that owns each, and compare the sum with a plan.

The API does not return the price at which a server was ordered, so today's list price is used. Resources that were
deleted earlier this month are billed but no longer listed. The report states both limitations.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

from infra.cost.planning.json_reader import JsonReader
from infra.cost.planning.lines import Amount, CurrencyConverter, TaxedPrices, add, up
from infra.cost.planning.messages import below_known, raised
from infra.cost.planning.model import STRAY, Plan
from infra.cost.planning.planner import converter_for
from infra.cost.planning.prices import PriceList
from infra.cost.reports.actual_model import Actual, Item
from infra.cost.sources import held
from infra.cost.sources.live import Account
from stack_runtime.billed_hours import HOURS_TO_CAP, start_of_month, started_hours


def ask(plan: Plan, prices: PriceList, account: Account, now: datetime, identity: str | None = None) -> Actual:
    """Return all resources of `account`, each with its price per month and its cost in this month until `now`.

    Args:
        identity: the stack's identity; None when it is not known.

    Raises:
        UnreachableError, UnknownError: the API does not answer, or its response is invalid.
    """
    converter = converter_for(plan.fx)
    tariff, own = TaxedPrices(prices, plan.tax), held.Own(plan.stack, identity)
    found = (_item(one, converter, now) for one in held.priced(held.ask([account])[0], tariff, own))
    return _sum(plan, sorted(found, key=lambda item: (item.owner == STRAY, item.owner)))


def _sum(plan: Plan, items: Sequence[Item]) -> Actual:
    warnings = [*raised(plan.budget_usd), *below_known(plan.fx), "list prices: an older server may cost less"]
    warnings.append("what was deleted earlier this month is not listed")
    strays = [item for item in items if item.owner == STRAY]
    if strays:
        warnings.append(f"{len(strays)} resources belong to no stack of this project")
    if any(item.monthly_usd is None for item in items):
        warnings.append("some prices are unknown, so the sums are unknown too")
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


def _item(priced: held.Priced, converter: CurrencyConverter, now: datetime) -> Item:
    hours = _hours(priced.entry.get("created"), now)
    amount = priced.amount
    return Item(
        owner=priced.owner,
        resource=priced.name,
        hours=hours,
        monthly_usd=converter.usd(amount) if amount else None,
        so_far_usd=_so_far(amount, converter, hours) if amount else None,
        note=priced.note,
    )


def _so_far(amount: Amount, converter: CurrencyConverter, hours: int) -> Decimal | None:
    """Return what the resource cost this month until now, at most the monthly cap."""
    by_hour = amount.hourly * hours if amount.hourly is not None else amount.native * hours / HOURS_TO_CAP
    part = min(amount.native, by_hour)
    if amount.currency == "USD":
        return up(part)
    return None if converter.rate is None else up(part * converter.rate)


def _hours(created: JsonReader, now: datetime) -> int:
    """Return for how many hours of this month the resource has existed; a started hour counts as a whole hour."""
    try:
        began = datetime.fromisoformat(created.text())
    except ValueError:
        raise created.fail("is not a time") from None
    return started_hours(max(began if began.tzinfo else began.replace(tzinfo=UTC), start_of_month(now)), now)

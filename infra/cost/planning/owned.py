"""Plan a stack on a server that the user already has, with the price in the settings and the server's real size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal

from infra.cost.planning import group
from infra.cost.planning.capacity import Machine, demand
from infra.cost.planning.inputs import STATED_DAYS, RentalInputs
from infra.cost.planning.lines import Amount, offsite, up
from infra.cost.planning.messages import owned_warnings
from infra.cost.planning.model import Plan, Source
from infra.cost.planning.planner import advice_of, age, judge
from infra.services import Service
from infra.settings import ServerPrice, Settings
from stack_runtime.errors import UnknownError

HOURS = 744
"""Hours of the longest month, so that an hourly price gives an upper bound."""


def plan_owned(settings: Settings, services: Sequence[Service], inputs: RentalInputs) -> Plan:
    """Plan a stack on the user's own server, whose price counts against the budget like that of a rented server."""
    price = settings.server_price
    inputs = replace(inputs, stated=price.currency if price else None)
    needs = demand(settings, services).on_one_disk()
    machine = inputs.machine or Machine()
    problems = (*needs.problems(machine), *_without_image(services, machine))
    amounts, doubts, advice = _bill(settings, inputs)
    extra = group.extra_lines(settings, inputs)
    found = judge(settings, inputs, amounts or None, doubts, lacking="; ".join(problems), extra=extra)
    return Plan(
        stack=settings.stack,
        host=settings.host,
        verdict=found.verdict,
        budget_usd=found.budget_usd,
        total_usd=found.total_usd,
        total_eur=found.total_eur,
        currency=inputs.currency,
        tax=settings.tax,
        fx=inputs.rate,
        prices=Source(date=price.date, source=_source(settings)) if price else None,
        server=None,
        capacity=needs.on(machine).model_copy(update={"problems": problems}),
        lines=found.lines,
        warnings=owned_warnings(settings, needs, inputs, found.total_usd, found.budget_usd),
        reason=found.reason,
        advice=advice_of(settings, inputs, advice),
    )


def bill(settings: Settings, inputs: RentalInputs) -> tuple[Sequence[Amount], Sequence[str]]:
    """Return the items whose prices are in the settings, and reasons for the verdict `unknown`.

    Such a reason is an unknown price, an unknown size of the server, or a price whose date is too old or in the future.
    """
    return _bill(settings, inputs)[:2]


def _bill(settings: Settings, inputs: RentalInputs) -> tuple[Sequence[Amount], Sequence[str], str]:
    """Return the items and reasons of `bill`, and what to do about a missing price (empty if there is none)."""
    doubts, advice = [*_doubts(settings, inputs)], ""
    amounts = [_server(settings, settings.server_price)] if settings.server_price else []
    if settings.offsite_gb and amounts:
        try:
            amounts.append(offsite(settings, inputs.prices.vat_percent if inputs.prices else None))
        except UnknownError as error:
            doubts.append(error.statement)
            advice = error.next_command
    return amounts, doubts, advice


def _doubts(settings: Settings, inputs: RentalInputs) -> Iterator[str]:
    price, machine = settings.server_price, inputs.machine
    if price is None:
        yield "the price of the server is not stated, set serverPrice to amount, currency, tax, per and date"
    else:
        yield from age("serverPrice", price.date, STATED_DAYS, inputs)
        if price.tax == "net" and settings.tax == "gross":
            yield "serverPrice is net and its VAT is unknown, state the gross price or set tax to net"
    if machine is not None and machine.unknown:
        yield f"the size of the server is unknown: {machine.unknown}"


def _server(settings: Settings, price: ServerPrice) -> Amount:
    quantity, unit, unit_price = Decimal(1), "month", price.amount
    if price.per == "hour":
        quantity, unit = Decimal(HOURS), "hour"
    elif price.per == "year":
        unit_price = up(price.amount / 12)
    note = f"{price.amount:f} {price.currency} {price.tax} a {price.per}, by the settings"
    return Amount(f"server {settings.ssh_host}", quantity, unit, unit_price, price.currency, note)


def _source(settings: Settings) -> str:
    return f"serverPrice in Pulumi.{settings.stack}.yaml"


def _without_image(services: Sequence[Service], machine: Machine) -> Iterator[str]:
    """Yield a text that names the services without an image for the server's processor, if there are any."""
    lacking = sorted(one.name for one in services if machine.architecture not in (None, *one.architectures))
    if lacking:
        yield f"no {machine.architecture} image: {', '.join(lacking)}"

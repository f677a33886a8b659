"""Make the plan for given settings: whether the services fit, the cost, and the verdict.

Nothing here reads a clock, the network or files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from infra.cost.planning import group
from infra.cost.planning.capacity import Demand, Machine, demand
from infra.cost.planning.choice import AUTO, Candidate, Deployed, candidates
from infra.cost.planning.inputs import PRICES_DAYS, RATE_DAYS, RentalInputs, implausible
from infra.cost.planning.lines import Amount, CurrencyConverter, TaxedPrices, add
from infra.cost.planning.messages import lack_of, local_warnings, reason_of, warnings_of
from infra.cost.planning.model import Fx, Line, Plan, Server, Source, Verdict
from infra.services import Service
from infra.settings import Settings
from stack_runtime.errors import UnknownError


def plan_local(settings: Settings, services: Sequence[Service], inputs: RentalInputs) -> Plan:
    """Plan a stack on this machine: the plan needs no price, but checks the memory of the machine."""
    needs = demand(settings, services)
    capacity = needs.on(Machine(memory_mb=inputs.machine.memory_mb if inputs.machine else None))
    verdict: Verdict = "does_not_fit" if capacity.problems else "within"
    nothing = Decimal("0.00")
    own = Line(
        resource="your own machine",
        quantity=Decimal(1),
        unit="machine",
        unit_price=nothing,
        currency="EUR",
        monthly_eur=nothing,
        monthly_usd=nothing,
        note="nothing is rented",
    )
    return Plan(
        stack=settings.stack,
        host=settings.host,
        verdict=verdict,
        budget_usd=settings.budget_usd,
        total_usd=nothing,
        total_eur=nothing,
        currency="EUR",
        tax=settings.tax,
        fx=None,
        prices=None,
        server=None,
        capacity=capacity,
        lines=(own,),
        warnings=local_warnings(settings, needs),
        reason="; ".join(capacity.problems) or "nothing is rented and everything fits",
    )


def plan_server(settings: Settings, services: Sequence[Service], inputs: RentalInputs) -> Plan:
    """Plan a stack on a rented server."""
    settings = _with_its_volume(settings, inputs)
    needs = demand(settings, services)
    try:
        found = rank_servers(settings, services, inputs, needs)
    except UnknownError as error:
        return _assemble(settings, inputs, needs, None, [], error)
    return _assemble(settings, inputs, needs, _best(found, settings, inputs), found, None)


def _with_its_volume(settings: Settings, inputs: RentalInputs) -> Settings:
    """Return the settings, with at least the size of the existing volume, which is billed and cannot shrink."""
    held = inputs.deployed.volume_gb if inputs.deployed else 0
    return settings.model_copy(update={"volume_gb": held}) if held > settings.volume_gb else settings


def rank_servers(
    settings: Settings, services: Sequence[Service], inputs: RentalInputs, needs: Demand | None = None
) -> list[Candidate]:
    """Return all servers that the settings allow, each with the cost of the stack there; the best comes first."""
    settings = _with_its_volume(settings, inputs)
    tariff = TaxedPrices(inputs.price_list, settings.tax)
    deployed = inputs.deployed or Deployed()
    return candidates(
        settings,
        services,
        needs or demand(settings, services),
        tariff,
        converter_for(inputs.rate),
        inputs.today,
        deployed,
    )


def converter_for(rate: Fx | None) -> CurrencyConverter:
    """Return the converter for `rate`; an implausible rate is treated as missing."""
    return CurrencyConverter(None if rate is None or implausible(rate.rate) else rate.rate)


def _best(found: Sequence[Candidate], settings: Settings, inputs: RentalInputs) -> Candidate:
    """Return the running server if it is usable and within the budget, else the cheapest usable server.

    If no server is usable, return the largest one, if possible among those that the existing server and volume allow,
    and that can be ordered or already run. The report then names what even this server lacks.
    """
    others = group.total_usd(settings, inputs)
    for candidate in found:
        if candidate.runs and candidate.usable and candidate.cost + others <= group.budget_of(settings, inputs.others):
            return candidate
    if found[0].usable:
        return found[0]
    return max(found, key=lambda c: (c.reachable, c.orderable or c.runs, c.kind.memory_gb, c.kind.disk_gb, -c.cost))


def _assemble(
    settings: Settings,
    inputs: RentalInputs,
    needs: Demand,
    best: Candidate | None,
    found: Sequence[Candidate],
    error: UnknownError | None,
) -> Plan:
    """Return the plan with the server `best`; without one, `error` is why no server has a price."""
    doubts = (error.statement,) if error else ()
    lacking = lack_of(best, auto=settings.server_type == AUTO) if best and not best.usable else ""
    amounts, extra = best.amounts if best else None, group.extra_lines(settings, inputs)
    decision = judge(settings, inputs, amounts, doubts, lacking=lacking, extra=extra)
    total, budget = decision.total_usd, decision.budget_usd
    machine = (inputs.deployed or Deployed()).machine(best.kind, settings.volume_gb) if best else Machine()
    return Plan(
        stack=settings.stack,
        host=settings.host,
        verdict=decision.verdict,
        budget_usd=budget,
        total_usd=total,
        total_eur=decision.total_eur,
        currency=inputs.currency,
        tax=settings.tax,
        fx=inputs.rate,
        prices=Source(date=inputs.price_list.date, source=inputs.price_list.source),
        server=_server(best) if best else None,
        capacity=needs.on(machine),
        lines=decision.lines,
        warnings=warnings_of(settings, needs, inputs, best, found, total, budget),
        reason=decision.reason,
        advice=advice_of(settings, inputs, error.next_command if error else ""),
    )


@dataclass(frozen=True)
class Decision:
    """Whether a deployment is allowed, the reason, and the bill that was judged."""

    verdict: Verdict
    reason: str
    lines: tuple[Line, ...]
    total_usd: Decimal | None
    total_eur: Decimal | None
    budget_usd: Decimal


def judge(
    settings: Settings,
    inputs: RentalInputs,
    amounts: Sequence[Amount] | None,
    doubts: Sequence[str],
    *,
    lacking: str,
    extra: Sequence[Line] = (),
) -> Decision:
    """Return the verdict about the bill of a plan, or about the bill of the resources that a stack really has.

    The upper bound of the group's cost is compared with the group's budget. If an amount is unknown, the
    verdict is `unknown`.

    Args:
        amounts: the items of the stack's bill; None when unknown.
        doubts: reasons why the bill or the fit is unknown, in addition to those that `doubts_of` returns.
        lacking: text that says why the server cannot be used; empty if it can.
        extra: lines for running resources of the stack that its plan does not price.
    """
    converter = converter_for(inputs.rate)
    own = (converter.line(amount) for amount in amounts or ())
    lines = (*own, *extra, *group.stack_lines(settings, inputs))
    priced = amounts is not None and not any(group.doubts(settings, inputs))
    total = add(line.monthly_usd for line in lines) if priced else None
    budget = group.budget_of(settings, inputs.others)
    doubts = (*doubts_of(settings, inputs), *doubts)
    verdict = _verdict(total, budget, doubts, lacking)
    return Decision(
        verdict=verdict,
        reason=reason_of(verdict, total, budget, doubts, lacking),
        lines=lines,
        total_usd=total,
        total_eur=add(line.monthly_eur for line in lines) if priced else None,
        budget_usd=budget,
    )


def _verdict(total: Decimal | None, budget: Decimal, doubts: Sequence[str], lacking: str) -> Verdict:
    if total is None or doubts:
        return "unknown"
    if lacking:
        return "does_not_fit"
    return "over" if total > budget else "within"


def doubts_of(settings: Settings, inputs: RentalInputs) -> tuple[str, ...]:
    """Return the reasons for the verdict `unknown` that do not depend on the server."""
    found = age("prices", inputs.prices.date, PRICES_DAYS, inputs) if inputs.prices else []
    if _needs_rate(settings, inputs):
        found += _rate_doubts(inputs)
    return (*found, *group.doubts(settings, inputs))


def _needs_rate(settings: Settings, inputs: RentalInputs) -> bool:
    in_euros = "EUR" in (inputs.currency, inputs.prices.currency if inputs.prices else None)
    return in_euros or bool(settings.offsite_gb)


def advice_of(settings: Settings, inputs: RentalInputs, about_price: str) -> str:
    """Return what to do about a missing price, else about the rate, else about another stack of the group.

    Args:
        about_price: advice about a missing price of this stack; empty if there is none.

    Returns: an empty text for every other reason, such as old prices; then the advice depends only on the host.
    """
    if about_price:
        return about_price
    if _needs_rate(settings, inputs) and (inputs.rate is None or implausible(inputs.rate.rate)):
        return "set fxRate and fxDate, or --fx-rate and --fx-date, to the dollars for one euro"
    return next((other.advice for other in inputs.others if other.advice), "")


def _rate_doubts(inputs: RentalInputs) -> list[str]:
    if inputs.rate is None:
        return ["no exchange rate is known, set fxRate and fxDate"]
    if implausible(inputs.rate.rate):
        return [f"an exchange rate of {inputs.rate.rate} dollars for a euro is implausible"]
    return age("exchange rate", inputs.rate.date, RATE_DAYS, inputs)


def age(what: str, day: date, limit: int, inputs: RentalInputs) -> list[str]:
    """Return a reason for the verdict `unknown` if `day` is in the future, or too old and `allow_snapshot` is not set.

    Args:
        what: name of the figure that is dated `day`.
        limit: maximum age in days.
    """
    days = (inputs.today - day).days
    if days < 0:
        return [f"{what}: dated {day}, which is in the future"]
    if days > limit and not inputs.allow_snapshot:
        return [f"{what}: {days} days old (dated {day}); {limit} days are the limit without --allow-snapshot"]
    return []


def _server(candidate: Candidate) -> Server:
    kind = candidate.kind
    return Server(
        type=kind.name,
        location=candidate.location,
        architecture=kind.architecture,
        cores=kind.cores,
        memory_gb=kind.memory_gb,
        disk_gb=kind.disk_gb,
        orderable=candidate.orderable,
    )

"""Sum the costs of the stacks that share a budget.

The planned stack counts with its plan, and with its running resources that the plan does not price. Each other stack
counts with the higher of two costs: the plan of its stack file, or its running resources.

A stack that runs in the account but has no stack file in this project counts in every group, because its group is
unknown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from infra.cost.planning.inputs import RentalInputs, Running
from infra.cost.planning.lines import OFFSITE, SNAPSHOTS, TRAFFIC, add
from infra.cost.planning.model import STRAY, Line, Plan
from infra.hosts import host_of
from infra.settings import Settings

ALSO_RUNNING = "also running: "
"""Prefix of the bill's line for a running resource that the plan of its stack does not price."""
_STRAYS_NAMED = 5
_MANAGED = ("server", "ipv4", "volume")
"""Kinds of resources of which the plan of a rented server prices exactly one each."""


def stack_lines(settings: Settings, inputs: RentalInputs) -> list[Line]:
    """Return a line of the bill for each other stack of the group, without stacks whose cost is unknown.

    `doubts` names the stacks whose cost is unknown.
    """
    plans = {plan.stack: plan for plan in inputs.others}
    names = sorted({*plans, *_running_stacks(settings, inputs)})
    return [line for name in names if (line := _stack_line(name, plans.get(name), inputs))]


def extra_lines(settings: Settings, inputs: RentalInputs) -> list[Line]:
    """Return a cost line for each running resource of this stack that its plan does not price.

    Resources whose cost is unknown get no line; `doubts` names them.
    """
    found = (_line(f"{ALSO_RUNNING}{one.resource}", one.eur, one.usd, inputs) for one in _extras(settings, inputs))
    return [line for line in found if line]


def total_usd(settings: Settings, inputs: RentalInputs) -> Decimal:
    """Return what the group costs a month in addition to this stack's plan; 0 if a line has no cost in dollars."""
    found = (*stack_lines(settings, inputs), *extra_lines(settings, inputs))
    return add(line.monthly_usd for line in found) or Decimal(0)


def budget_of(settings: Settings, others: Sequence[Plan]) -> Decimal:
    """Return the budget of the group: the smallest of its stacks' budgets."""
    return min((settings.budget_usd, *(other.budget_usd for other in others)))


def doubts(settings: Settings, inputs: RentalInputs) -> Iterator[str]:
    """Yield the reasons why the sum of the group is unknown.

    A running resource of this stack that its plan prices is no reason: the plan has the price of what it becomes.
    """
    for other in inputs.others:
        if other.verdict == "unknown" or other.total_usd is None:
            yield f"stack {other.stack} of the same budget group has no price: {other.reason}"
    planned = {other.stack for other in inputs.others}
    counted = {*planned, *_running_stacks(settings, inputs)}
    beside = (one for one in inputs.running or () if one.owner in counted)
    for one in (*_extras(settings, inputs), *beside):
        if one.usd is None:
            reason = one.note or "no exchange rate is known"
            if one.note and one.kind == "server" and one.owner in planned:
                reason += f"; fds scale serverType=auto --stack {one.owner} --apply moves it to another type"
            yield f"{one.resource} of stack {one.owner} has no price: {reason}"


def warnings(settings: Settings, inputs: RentalInputs) -> Iterator[str]:
    """Yield warnings about the sum of the group: what is not counted, and what could not be checked."""
    if inputs.running is None and inputs.prices is not None:
        yield "the account was not queried, so only the stack files count; set HCLOUD_TOKEN to include what really runs"
    for other in inputs.others:
        if other.verdict == "does_not_fit":
            yield f"stack {other.stack} cannot be deployed as planned, but its cost counts here: {other.reason}"
    for stack, group in sorted(inputs.other_groups.items()):
        held = add(one.usd for one in inputs.running or () if one.owner == stack)
        cost = f" and costs ${held:.2f} a month" if held else ""
        yield f"stack {stack} is in budget group {group}{cost}: it is not counted here"
    strays = [one for one in inputs.running or () if one.owner == STRAY]
    for one in strays[:_STRAYS_NAMED]:
        price = "an unknown price" if one.usd is None else f"${one.usd:.2f} a month"
        yield f"{one.resource} for {price} belongs to no stack of this project and is not counted"
    if len(strays) > _STRAYS_NAMED:
        yield f"{len(strays) - _STRAYS_NAMED} more resources belong to no stack, fds cost --actual lists them"


def _running_stacks(settings: Settings, inputs: RentalInputs) -> set[str]:
    """Return the other stacks with running resources, without stacks whose stack file sets another budget group."""
    owners = {one.owner for one in inputs.running or ()}
    return owners - {settings.stack, STRAY, *inputs.other_groups}


def _stack_line(stack: str, plan: Plan | None, inputs: RentalInputs) -> Line | None:
    held = [one for one in inputs.running or () if one.owner == stack]
    unlisted = [line for line in plan.lines if line.resource in (SNAPSHOTS, OFFSITE, TRAFFIC)] if plan else []
    eur = add([*(one.eur for one in held), *(line.monthly_eur for line in unlisted)])
    usd = add([*(one.usd for one in held), *(line.monthly_usd for line in unlisted)])
    if plan is None:
        return _line(f"stack {stack}", eur, usd, inputs, "runs in the account, but no stack file has its server")
    if held and usd is not None and plan.total_usd is not None and usd > plan.total_usd:
        return _line(f"stack {stack}", eur, usd, inputs, "same budget group, its resources cost more than its plan")
    return _line(f"stack {stack}", plan.total_eur, plan.total_usd, inputs, "same budget group")


def _extras(settings: Settings, inputs: RentalInputs) -> list[Running]:
    """Return running resources of this stack that its plan does not price.

    A plan of a rented server prices one server, one address, one volume and, if they are switched on, the backups of
    one server. If the stack has only one server, its backups are always left out, because the deployment switches them
    on or off.
    """
    own = [one for one in inputs.running or () if one.owner == settings.stack]
    only_server = sum(one.kind == "server" for one in own) == 1
    planned = (*_MANAGED, *(("backups",) if settings.backups or only_server else ()))
    for kind in planned if host_of(settings).makes_machine else ():
        found = sorted((one for one in own if one.kind == kind), key=lambda one: (one.usd is None, one.usd or 0))
        if found:
            own.remove(found[-1 if kind == "volume" else 0])  # the plan prices the largest volume, which costs most
    return own


def _line(resource: str, eur: Decimal | None, usd: Decimal | None, inputs: RentalInputs, note: str = "") -> Line | None:
    price = eur if inputs.currency == "EUR" else usd
    if price is None:
        return None
    return Line(
        resource=resource,
        quantity=Decimal(1),
        unit="stack" if note else "month",
        unit_price=price,
        currency=inputs.currency,
        monthly_eur=eur,
        monthly_usd=usd,
        note=note,
    )

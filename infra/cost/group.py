"""The stacks that share a budget: by their files, and by what their accounts really run. The dearer of the two counts.

A stack that runs in the account and has no file here belongs to every group, for nobody can say to which.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path

from infra import stack_file
from infra.cost.inputs import Inputs, Running
from infra.cost.lines import OFFSITE, SNAPSHOTS, TRAFFIC, add
from infra.cost.model import STRAY, Line, Plan
from infra.settings import Settings

_STRAYS_NAMED = 5
_MANAGED = ("server", "ipv4", "volume")
"""Of each of these a stack has one, which its plan prices."""


def rented(project: Path, stack: str) -> list[Settings]:
    """Return the settings of all other stacks of the project on a rented server, by name; none of another project.

    Raises:
        UsageError: a stack file cannot be read; what cannot be read cannot be left out of the sum.
    """
    if not stack_file.is_ours(project):
        return []
    found = (stack_file.read(project, name) for name in stack_file.names(project) if name != stack)
    return [other for other in found if other.host != "local"]


def stack_lines(settings: Settings, inputs: Inputs) -> list[Line]:
    """Return one line for each other stack of the group; what has no price has none, and is among the `doubts`."""
    plans = {plan.stack: plan for plan in inputs.others}
    names = sorted({*plans, *_running_stacks(settings, inputs)})
    return [line for name in names if (line := _stack_line(name, plans.get(name), inputs))]


def extra_lines(settings: Settings, inputs: Inputs) -> list[Line]:
    """Return one line for each thing that runs for this stack and that its plan does not price."""
    found = (_line(f"also running: {one.resource}", one.eur, one.usd, inputs) for one in _extras(settings, inputs))
    return [line for line in found if line]


def total_usd(settings: Settings, inputs: Inputs) -> Decimal:
    """Return what is paid a month beside the plan of this stack, as far as prices are known."""
    found = (*stack_lines(settings, inputs), *extra_lines(settings, inputs))
    return add(line.monthly_usd for line in found) or Decimal(0)


def budget_of(settings: Settings, others: Sequence[Plan]) -> Decimal:
    """Return the budget of the group: the smallest that one of its stacks states."""
    return min((settings.budget_usd, *(other.budget_usd for other in others)))


def doubts(settings: Settings, inputs: Inputs) -> Iterator[str]:
    """Yield why the sum of the group is not known."""
    for other in inputs.others:
        if other.verdict in ("unknown", "does_not_fit") or other.total_usd is None:
            yield f"stack {other.stack} of the same budget group has no price: {other.reason}"
    counted = {settings.stack, *(other.stack for other in inputs.others), *_running_stacks(settings, inputs)}
    for one in inputs.running or ():
        if one.owner in counted and one.usd is None:
            yield f"{one.resource} of stack {one.owner} has no price: {one.note or 'no exchange rate is known'}"


def warnings(settings: Settings, inputs: Inputs) -> Iterator[str]:
    """Yield what the reader must know about the sum of the group: what it leaves out, and what could not be seen."""
    if inputs.running is None:
        yield "the account was not asked, so only the stack files are counted; HCLOUD_TOKEN shows what really runs"
    for stack, group in sorted(inputs.other_groups.items()):
        held = add(one.usd for one in inputs.running or () if one.owner == stack)
        cost = f", where it runs for ${held:.2f} a month" if held else ""
        yield f"stack {stack} is in budget group {group}{cost}: it is not counted here"
    strays = [one for one in inputs.running or () if one.owner == STRAY]
    for one in strays[:_STRAYS_NAMED]:
        price = "an unknown price" if one.usd is None else f"${one.usd:.2f} a month"
        yield f"{one.resource} for {price} belongs to no stack of this project and is not counted"
    if len(strays) > _STRAYS_NAMED:
        yield f"{len(strays) - _STRAYS_NAMED} more resources belong to no stack, fds cost --actual lists them"


def _running_stacks(settings: Settings, inputs: Inputs) -> set[str]:
    """Other stacks that run something and that no file puts into another group."""
    owners = {one.owner for one in inputs.running or ()}
    return owners - {settings.stack, STRAY, *inputs.other_groups}


def _stack_line(stack: str, plan: Plan | None, inputs: Inputs) -> Line | None:
    held = [one for one in inputs.running or () if one.owner == stack]
    unlisted = [line for line in plan.lines if line.resource in (SNAPSHOTS, OFFSITE, TRAFFIC)] if plan else []
    eur = add([*(one.eur for one in held), *(line.monthly_eur for line in unlisted)])
    usd = add([*(one.usd for one in held), *(line.monthly_usd for line in unlisted)])
    if plan is None:
        return _line(f"stack {stack}", eur, usd, inputs, "runs in the account, without a file on a server here")
    if held and usd is not None and plan.total_usd is not None and usd > plan.total_usd:
        return _line(f"stack {stack}", eur, usd, inputs, "same budget group, runs for more than its file says")
    return _line(f"stack {stack}", plan.total_eur, plan.total_usd, inputs, "same budget group")


def _extras(settings: Settings, inputs: Inputs) -> list[Running]:
    """What runs for this stack beside the one server, address and volume that its plan prices.

    Backups of the only server are what the deployment makes of them; with more servers nobody knows whose they are.
    """
    own = [one for one in inputs.running or () if one.owner == settings.stack]
    only_server = sum(one.kind == "server" for one in own) == 1
    for kind in (*_MANAGED, *(("backups",) if settings.backups or only_server else ())):
        found = sorted((one for one in own if one.kind == kind), key=lambda one: (one.usd is None, one.usd or 0))
        if found:
            own.remove(found[-1 if kind == "volume" else 0])  # the plan prices the largest volume
    return own


def _line(resource: str, eur: Decimal | None, usd: Decimal | None, inputs: Inputs, note: str = "") -> Line | None:
    price = eur if inputs.prices.currency == "EUR" else usd
    if price is None:
        return None
    return Line(
        resource=resource,
        quantity=Decimal(1),
        unit="stack" if note else "month",
        unit_price=price,
        monthly_eur=eur,
        monthly_usd=usd,
        note=note,
    )

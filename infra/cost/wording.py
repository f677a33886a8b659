"""The sentences of a plan: why it is what it is, and what the reader should know before a deployment."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from infra.cost import group
from infra.cost.choice import Candidate
from infra.cost.inputs import PRICES_DAYS, RATE_DAYS, Inputs
from infra.cost.model import Verdict
from infra.settings import Settings

PROMISE = Decimal(50)
"""What a stack costs at most unless its owner says otherwise, in dollars a month."""
CLOSE = Decimal("0.9")
"""From this part of a limit on, the plan warns."""
_USUAL_RATE = (Decimal("0.9"), Decimal("1.4"))


def reason_of(
    verdict: Verdict,
    best: Candidate | None,
    total: Decimal | None,
    budget: Decimal,
    doubts: Sequence[str],
    *,
    auto: bool,
) -> str:
    """One sentence that a person can act on."""
    if verdict == "unknown" or best is None or total is None:
        return "; ".join(doubts) or "no total can be reckoned without an exchange rate"
    if verdict == "over":
        return f"${total:.2f} a month is ${total - budget:.2f} over the budget of ${budget:.2f}"
    if verdict == "within":
        return f"${total:.2f} a month, ${budget - total:.2f} below the budget of ${budget:.2f}"
    name = f"{best.kind.name} in {best.location}"
    if best.problems:
        lacks = "; ".join(best.problems)
        return f"no server that can be ordered fits, not even {name}: {lacks}" if auto else f"{name}: {lacks}"
    return f"{name} {_why_not(best)}"


def _why_not(candidate: Candidate) -> str:
    withdrawn = candidate.offer.withdrawn_on
    return f"is withdrawn since {withdrawn}" if withdrawn and candidate.offer.available else "is sold out"


def warnings_of(
    settings: Settings,
    inputs: Inputs,
    best: Candidate | None,
    found: Sequence[Candidate],
    total: Decimal | None,
    budget: Decimal,
) -> tuple[str, ...]:
    """What is allowed but should be known."""
    return (
        *_about_budget(settings, inputs, total, budget),
        *group.warnings(settings, inputs),
        *_about_inputs(inputs),
        *(_about_server(best, found, settings) if best else ()),
        *_about_settings(settings),
    )


def _about_budget(settings: Settings, inputs: Inputs, total: Decimal | None, budget: Decimal) -> list[str]:
    said = []
    if budget > PROMISE:
        said.append(f"budget raised to ${budget:.2f} by setting budgetUsd")
    if any(other.budget_usd != settings.budget_usd for other in inputs.others):
        said.append(f"the stacks of budget group {settings.budget_group} state different budgets, the smallest counts")
    if total is not None and CLOSE * budget <= total <= budget:
        said.append(f"${budget - total:.2f} are left: a small rise in prices or in the euro takes this over budget")
    return said


def _about_inputs(inputs: Inputs) -> list[str]:
    said = []
    days = (inputs.today - inputs.prices.date).days
    if days > PRICES_DAYS:
        said.append(f"planned on prices of {inputs.prices.date}, {days} days old: today's may differ")
    if inputs.rate is not None:
        days = (inputs.today - inputs.rate.date).days
        if days > RATE_DAYS:
            said.append(f"planned on an exchange rate of {inputs.rate.date}, {days} days old: today's may differ")
        if not _USUAL_RATE[0] <= inputs.rate.rate <= _USUAL_RATE[1]:
            said.append(f"an exchange rate of {inputs.rate.rate} is unusual, check it")
    return [*said, *inputs.prices.warnings]


def _about_server(best: Candidate, found: Sequence[Candidate], settings: Settings) -> list[str]:
    said = []
    if best.runs and not best.orderable:
        said.append(f"{best.kind.name} {_why_not(best)}: keep the server, a new one of its type cannot be had")
    if best.runs and found[0].usable and found[0].cost < best.cost:
        said.append(f"{found[0].kind.name} in {found[0].location} would cost less than the running server")
    cheaper = [c for c in found if not c.orderable and not c.problems and c.cost < best.cost]
    if best.usable and cheaper:
        names = ", ".join(dict.fromkeys(c.kind.name for c in cheaper))
        said.append(f"cheaper types that would fit cannot be ordered now: {names}")
    if best.offer.withdrawn_on and best.orderable:
        said.append(f"{best.kind.name} cannot be ordered any more from {best.offer.withdrawn_on} on")
    return said


def _about_settings(settings: Settings) -> list[str]:
    if settings.ssh_from:
        return []
    return ["port 22 is open to every address, sshFrom narrows it"]

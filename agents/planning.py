"""From a typed request to a proposal: the cost model's verdict on it, or on the nearest thing that fits."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import datetime, timedelta

from agents import checks
from agents.proposal import LIFE, Decision, Proposal, changed
from agents.request import ScalingRequest
from agents.wording import paragraph
from infra.cost import Plan
from infra.cost.planning import scaling
from infra.cost.planning_inputs import PlanningInputs
from infra.cost.reports.diff import diff
from infra.settings import Settings


def planned(before: Settings, basis: PlanningInputs, request: ScalingRequest, person: str, now: datetime) -> Proposal:
    """What `request` comes to, on top of `before` and on the figures of `basis`.

    Raises:
        UsageError: the request names nothing, or something that does not exist.
        RefusedError: it asks for what no price can make right.
    """
    after = scaling.changed(before, scaling.parse(request.pairs(), before))
    now_planned = basis.plan(before)
    plan = diff(now_planned, basis.plan(after))
    decision: Decision = "accept"
    if plan.verdict != "within":
        decision = "refuse"
        for smaller in _smaller(before, after, plan):
            smaller_plan = diff(now_planned, basis.plan(smaller))
            if smaller_plan.verdict == "within" and not _same(smaller_plan, now_planned):
                after, plan, decision = smaller, smaller_plan, "scale_down_to_fit"
                break
    checks.can_end(before, after, request.days)
    scaling.refuse_harm(before, after, plan, basis.deployed)
    proposal = Proposal(
        id=secrets.token_hex(8),
        stack=before.stack,
        person=person,
        request=request,
        decision=decision,
        before=before,
        after=after,
        plan_before=now_planned,
        plan_after=plan,
        reason="",
        created=now,
        expires=now + LIFE,
        until=now + timedelta(days=request.days) if request.days else None,
    )
    return proposal.model_copy(update={"reason": paragraph(proposal)})


def _smaller(before: Settings, wanted: Settings, plan: Plan) -> Iterator[Settings]:
    """The planner's alternatives that do some of what was asked for, and touch nothing else but the server's type."""
    asked = changed(before, wanted)
    for alternative in plan.alternatives:
        pairs = [f"{key}={value}" for key, value in alternative.settings.items()]
        after = scaling.changed(wanted, scaling.parse(pairs, wanted))
        if checks.is_part_of(asked, changed(before, after)):
            yield after


def _same(one: Plan, other: Plan) -> bool:
    """Whether two plans stand for the same machine with the same services on it."""
    return (one.server, one.capacity, one.lines) == (other.server, other.capacity, other.lines)

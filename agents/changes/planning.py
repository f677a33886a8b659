"""Turn a typed request into a proposal: the requested change, or the nearest alternative that fits the budget."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import datetime, timedelta

from agents.changes import checks
from agents.changes.messages import paragraph
from agents.changes.proposal import LIFETIME, Decision, Proposal, changed_keys
from agents.changes.request import ScalingRequest
from infra.cost import Plan
from infra.cost.planning import scaling
from infra.cost.planning_inputs import PlanningInputs
from infra.cost.reports.diff import diff
from infra.settings import Settings
from stack_runtime.errors import UsageError


def plan_request(
    before: Settings, inputs: PlanningInputs, request: ScalingRequest, person: str, now: datetime
) -> Proposal:
    """Return the proposal to change the settings `before` by `request`, with the prices and the rate of `inputs`.

    If the gate would allow neither the request nor a suitable alternative, the decision is `refuse`.

    Raises:
        UsageError: the request changes nothing, or names something unknown, such as a service.
        RefusedError: the request is refused for a reason other than its cost, for example a smaller volume.
    """
    after = scaling.changed(before, scaling.parse(request.pairs(), before))
    if not changed_keys(before, after):
        raise UsageError(
            f"stack {before.stack} has these settings already, or gets them from an approved change",
            next_command=f"fds cost --stack {before.stack}",
        )
    current_plan = inputs.plan(before)
    decision, after, plan = _decided(before, after, inputs, current_plan)
    proposal = Proposal(
        id=secrets.token_hex(8),
        stack=before.stack,
        person=person,
        request=request,
        decision=decision,
        before=before,
        after=after,
        plan_before=current_plan,
        plan_after=plan,
        reason="",
        created=now,
        expires=now + LIFETIME,
        until=now + timedelta(days=request.days) if request.days else None,
    )
    scaling.refuse_harm(before, after, plan, inputs.deployed)
    checks.can_be_temporary(proposal)
    return proposal.model_copy(update={"reason": paragraph(proposal)})


def _decided(
    before: Settings, wanted: Settings, inputs: PlanningInputs, current_plan: Plan
) -> tuple[Decision, Settings, Plan]:
    """Return the decision about `wanted`, and the settings and the plan that it is about.

    They are the wanted ones, or those of the first alternative that the gate allows and that changes the plan.
    """
    plan = diff(current_plan, inputs.plan(wanted))
    if plan.verdict == "within":
        return "accept", wanted, plan
    for alternative in _alternatives(before, wanted, plan):
        alternative_plan = diff(current_plan, inputs.plan(alternative))
        if alternative_plan.verdict == "within" and not _is_same(alternative_plan, current_plan):
            return "scale_down_to_fit", alternative, alternative_plan
    return "refuse", wanted, plan


def _alternatives(before: Settings, wanted: Settings, plan: Plan) -> Iterator[Settings]:
    """Yield settings of alternatives to `plan` that change only requested settings and perhaps the server type."""
    requested = changed_keys(before, wanted)
    for alternative in plan.alternatives:
        after = scaling.changed(wanted, scaling.parse(alternative.pairs, wanted))
        if checks.is_part_of_request(requested, changed_keys(before, after)):
            yield after


def _is_same(one: Plan, other: Plan) -> bool:
    """Return whether two plans have the same server, the same capacity and the same cost lines."""
    return (one.server, one.capacity, one.lines) == (other.server, other.capacity, other.lines)

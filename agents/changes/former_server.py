"""Select the server that a stack has after a temporary change is reverted.

With `auto`, a plan keeps a running server that fits the budget, so it would also keep the larger server of the change.
Until the former server runs again, the settings therefore name it.
"""

from __future__ import annotations

from collections.abc import Collection

from agents.changes.proposal import Key, Proposal
from infra.cost import Deployed, Plan
from infra.cost.planning import scaling
from infra.cost.planning.choice import AUTO
from infra.cost.planning_inputs import PlanningInputs
from infra.settings import Settings
from stack_runtime.errors import RefusedError


def with_server_of(settings: Settings, plan: Plan) -> Settings:
    """Return the settings with the server type and the location of the plan's server instead of `auto`."""
    if plan.server is None:
        return settings
    found = {"server_type": plan.server.type, "location": plan.server.location}
    return settings.model_copy(update={key: value for key, value in found.items() if getattr(settings, key) == AUTO})


def settings_to_deploy(back: Settings, proposal: Proposal, keys: Collection[Key], inputs: PlanningInputs) -> Settings:
    """Return the settings with which the stack gets its former server: `back`, or `back` with that server named.

    A running server that costs no more than the former one is kept, unless the change was about the server type.

    Args:
        back: the restored settings.
        proposal: the temporary change; its `plan_before` has the former server.
        keys: the settings that are restored.
    """
    named, free = with_server_of(back, proposal.plan_before), inputs.plan(back)
    if named == back or _place(free) == _place(proposal.plan_before):
        return back
    if ("server_type",) in keys or not _runs(free, inputs.deployed):
        return named
    kept, former = free.total_usd, inputs.plan(named).total_usd
    return back if kept is not None and former is not None and kept <= former else named


def refuse_impossible(
    back: Settings, target: Settings, keys: Collection[Key], staying: Plan, inputs: PlanningInputs
) -> None:
    """Refuse to go back to the server of `target` if the existing server cannot become it, or the services do not fit.

    Args:
        back: the restored settings.
        target: `back`, or `back` with the former server named.
        keys: the settings that are restored.
        staying: the plan without the revert.

    Raises:
        RefusedError: going back is impossible; the error says why, and how to end the change nevertheless.
    """
    plan, deployed = inputs.plan(target), inputs.deployed
    if plan.server is None or staying.server is None:
        return  # the gate refuses a plan without a server
    running = deployed.server_type if deployed and deployed.server_type else staying.server.type
    keep = f"fds scale serverType={running} --stack {plan.stack} --apply, then fds expire, to keep {running}"
    if ("server_type",) in keys:  # the file names the type of the change already, and the revert would replace it
        keep = ""
    try:
        scaling.refuse_harm(back, target, plan, deployed)
        if target == back or plan.verdict != "does_not_fit":
            return
        why, advice = plan.reason, keep or f"fds cost --stack {plan.stack} --explain"
    except RefusedError as error:
        why, advice = error.what, error.next_command
        if deployed and deployed.place == plan.server.location:
            renew = f"fds down --stack {plan.stack}, which keeps the data volume, then fds expire, for a new server"
            advice = "; or ".join(filter(None, [renew, keep]))
    what = f"the stack cannot go back to its former server: {why}"
    raise RefusedError(what, where=f"stack {plan.stack}", next_command=advice)


def _place(plan: Plan) -> tuple[str, str] | None:
    return (plan.server.type, plan.server.location) if plan.server else None


def _runs(plan: Plan, deployed: Deployed | None) -> bool:
    return deployed is not None and _place(plan) == (deployed.server_type, deployed.location)

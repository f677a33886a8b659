"""Apply approved changes, run approved jobs, and revert temporary changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from agents.changes import checks, former_server
from agents.changes.dependencies import Dependencies
from agents.changes.jobs import Job
from agents.changes.proposal import Key, Proposal, with_values_of
from infra import stack_file
from infra.cost import Plan
from infra.settings import Settings
from stack_runtime.errors import StackError
from stack_runtime.text import printable


@dataclass(frozen=True)
class Outcome:
    """The result of applying a change, running a job or reverting a change.

    Args:
        status: `applied` for a change; `ran` or `failed` for a job; for a revert, `taken back`, `not taken back`, or
            `overtaken` if somebody has since changed every setting that the temporary change had changed.
        problems: problems of the running stack after a change, or the reason why a job failed or a revert was not made.
        data: the result of a job.
        exit_code: exit code for the command line.
    """

    stack: str
    proposal: str
    status: str
    problems: tuple[str, ...]
    data: Any = None
    exit_code: int = 0


def apply_change(dependencies: Dependencies, proposal: Proposal) -> Outcome:
    """Apply the change of an approved proposal.

    Raises:
        RefusedError: the stack file does not have the settings that the proposal started from, or the approval does
            not cover the plan at current prices.
        StackError: the deployment failed; the stack file was restored.
    """
    checks.stack_unchanged(stack_file.read(dependencies.project, proposal.stack), proposal)
    check_plan = partial(_refuse_unapproved, proposal.plan_after, None)
    check_plan(dependencies.planning_inputs(proposal.before).plan(proposal.after))
    return _deploy(dependencies, proposal, check_plan)


def apply_job(dependencies: Dependencies, job: Job) -> Outcome:
    """Run an approved job.

    Raises:
        StackError: the job could not start, took too long, or ended without a result.
    """
    data, problem = dependencies.run(job)
    problem = printable(problem)  # the problem may quote a file, so invisible characters are removed
    return Outcome(job.stack, job.id, "failed" if problem else "ran", (problem,) if problem else (), data)


def revert(dependencies: Dependencies, proposal: Proposal) -> Outcome:
    """Revert a temporary change, if the gate allows the resulting plan.

    The stack goes back to the server that it had before the change, unless the stack file names another one, or a
    server that costs no more runs. The resulting plan must not cost more than the plan before the change or than the
    plan without the revert, whichever costs more. Settings that somebody changed after the temporary change keep their
    values.

    Returns: the outcome. A failure is also returned and not raised, so that other changes can still be reverted.
    """
    try:
        current = stack_file.read(dependencies.project, proposal.stack)
        keys = checks.settings_to_revert(current, proposal)
        if not keys:
            return Outcome(proposal.stack, proposal.id, "overtaken", ("all its settings have been changed since then",))
        problems = _restore(dependencies, proposal, current, keys)
    except Exception as error:  # a failed revert must not prevent other reverts
        code = error.exit_code if isinstance(error, StackError) else 1
        return Outcome(proposal.stack, proposal.id, "not taken back", (str(error),), exit_code=code)
    return Outcome(proposal.stack, proposal.id, "taken back", problems)


def _restore(dependencies: Dependencies, proposal: Proposal, current: Settings, keys: list[Key]) -> tuple[str, ...]:
    """Deploy the stack with the values that the settings `keys` had before the temporary change.

    If `auto` would keep the server of the change, first deploy with the former server named, then with `auto` again.

    Returns: problems of the running stack.
    Raises:
        StackError: the revert is impossible or not covered by the approval, or a deployment failed.
    """
    inputs = dependencies.planning_inputs(current)
    back = with_values_of(current, keys, proposal.before)
    target = former_server.settings_to_deploy(back, proposal, keys, inputs)
    staying, plan = inputs.plan(current), inputs.plan(target)
    former_server.refuse_impossible(back, target, keys, staying, inputs)
    approved = proposal.plan_before.model_copy(update={"server": plan.server})
    check_plan = partial(_refuse_unapproved, approved, staying)
    check_plan(plan)
    problems: tuple[str, ...] = ()
    for settings in [target] if target == back else [target, back]:
        step = proposal.model_copy(update={"before": current, "after": settings})
        problems, current = _deploy(dependencies, step, check_plan).problems, settings
    return problems


def _refuse_unapproved(approved: Plan, staying: Plan | None, fresh: Plan) -> None:
    """Refuse the plan `fresh` if it fails the gate, costs too much, or has another server type or location.

    The check is made before the stack file is written, and again before the engine registers resources, because prices
    and availability can change in between.

    Args:
        approved: the plan with the required server type and location, and the highest allowed cost; for a revert,
            the plan before the temporary change, with the server that the stack gets.
        staying: for a revert, the plan without the revert; if it costs more than `approved`, its cost is the limit
            instead. None for a change.
        fresh: the plan to check.
    """
    checks.passes_gate(fresh)
    checks.uses_approved_server(approved, fresh)
    checks.costs_no_more(approved, fresh, staying)


def _deploy(dependencies: Dependencies, proposal: Proposal, check_plan: Callable[[Plan], None]) -> Outcome:
    """Write the stack file, deploy, and return the outcome with the problems of the running stack.

    If the deployment fails, restore the file, but keep secrets that were added to it.
    """
    path = stack_file.path_of(dependencies.project, proposal.stack)
    original = path.read_bytes()
    try:
        stack_file.write(dependencies.project, proposal.stack, proposal.edit)
        checks.file_matches_proposal(stack_file.read(dependencies.project, proposal.stack), proposal)
        dependencies.deploy(proposal.after, check_plan)
    except BaseException:
        stack_file.put_back(path, original)
        raise
    return Outcome(proposal.stack, proposal.id, "applied", tuple(dependencies.check(proposal.after)))

"""One approved change or job carried out: checked once more against the world as it is, done, and reported."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from agents import checks
from agents.jobs import Job
from agents.proposal import Proposal
from agents.request import printable
from infra import stack_file
from infra.cost import Plan
from stack_runtime.errors import StackError

if TYPE_CHECKING:
    from agents.scaling import Ground


@dataclass(frozen=True)
class Outcome:
    """What came of it: `applied`, `ran`, `failed`, `taken back`, `not taken back` or `overtaken`.

    `problems` is what a check found, or why not; `data` what a job answered; `exit_code` as in the command line.
    """

    stack: str
    proposal: str
    status: str
    problems: tuple[str, ...]
    data: Any = None
    exit_code: int = 0


def apply_change(ground: Ground, proposal: Proposal) -> Outcome:
    """Make the change of `proposal`, which must be approved.

    Raises:
        RefusedError: stack or prices are no longer those of the proposal.
        StackError: the deployment failed; the stack file is as it was before.
    """
    checks.unchanged(stack_file.read(ground.project, proposal.stack), proposal)
    agreed = partial(_refuse_unapproved, proposal.plan_after, None)
    agreed(ground.basis(proposal.before).plan(proposal.after))
    return _made(ground, proposal, agreed)


def run_job(ground: Ground, job: Job) -> Outcome:
    """Do the work of `job`, which must be approved; raises what the work raises when it cannot begin."""
    data, problem = ground.run(job)
    problem = printable(problem)  # it quotes what a file said
    return Outcome(job.stack, job.id, "failed" if problem else "ran", (problem,) if problem else (), data)


def take_back(ground: Ground, proposal: Proposal) -> Outcome:
    """Undo a temporary change; its approval covered the way back, at no more than before, or than staying costs.

    Returns: the outcome, whatever went wrong on the way.
    """
    try:
        current = stack_file.read(ground.project, proposal.stack)
        names = checks.still_there(current, proposal)
        if not names:
            return Outcome(proposal.stack, proposal.id, "overtaken", ("everything it set was changed since",))
        back = current.model_copy(update={name: getattr(proposal.before, name) for name in names})
        basis = ground.basis(current)
        agreed = partial(_refuse_unapproved, proposal.plan_before, basis.plan(current))
        agreed(basis.plan(back))
        problems = _made(ground, proposal.model_copy(update={"before": current, "after": back}), agreed).problems
    except Exception as error:  # whatever it is, the other changes that are due must have their turn
        code = error.exit_code if isinstance(error, StackError) else 1
        return Outcome(proposal.stack, proposal.id, "not taken back", (str(error),), exit_code=code)
    return Outcome(proposal.stack, proposal.id, "taken back", problems)


def _refuse_unapproved(approved: Plan, staying: Plan | None, fresh: Plan) -> None:
    """Refuse a plan that the approval does not cover: before the change, and again as the engine is about to make it,
    for prices and what is sold out may differ by then."""
    checks.allowed_now(fresh)
    checks.same_server(approved, fresh)
    checks.no_dearer(approved, fresh, staying)


def _made(ground: Ground, proposal: Proposal, agreed: Callable[[Plan], None]) -> Outcome:
    """Write the stack file, deploy, check; the file goes back to what it was when that fails, secrets apart."""
    path = stack_file.path_of(ground.project, proposal.stack)
    original = path.read_bytes()
    try:
        stack_file.write(ground.project, proposal.stack, proposal.edit)
        checks.as_written(stack_file.read(ground.project, proposal.stack), proposal)
        ground.deploy(proposal.after, agreed)
    except BaseException:
        stack_file.put_back(path, original)
        raise
    return Outcome(proposal.stack, proposal.id, "applied", tuple(ground.check(proposal.after)))

"""One approved change: planned again on fresh prices, written to the stack file, deployed, checked."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agents.proposal import Proposal
from infra import stack_file
from infra.cost import Plan, gate
from stack_runtime.errors import RefusedError

if TYPE_CHECKING:
    from agents.scaling import Ground


@dataclass(frozen=True)
class Outcome:
    """What came of a change. `status` is `applied` or `not taken back`; `problems` is what the check found."""

    stack: str
    proposal: str
    status: str
    problems: tuple[str, ...]


def apply_change(ground: Ground, proposal: Proposal) -> Outcome:
    """Make the change of `proposal`, which must be approved.

    Raises:
        RefusedError: stack or prices are no longer those of the proposal.
        StackError: the deployment failed; the stack file is as it was before.
    """
    stack = proposal.stack
    if stack_file.read(ground.project, stack) != proposal.before:
        raise RefusedError("the stack file has changed since the proposal", next_command="ask for a new plan")
    fresh = ground.decide(proposal.after)
    gate(fresh)
    _refuse_worse(proposal.plan_after, fresh)
    path = stack_file.path_of(ground.project, stack)
    original = path.read_bytes()
    try:
        stack_file.write(ground.project, stack, proposal.edit)
        if stack_file.read(ground.project, stack) != proposal.after:
            raise RefusedError("the stack file would not say what was approved", where=path.name)
        ground.deploy(stack)
    except BaseException:
        _put_back(path, original)
        raise
    return Outcome(stack, proposal.id, "applied", tuple(ground.check(proposal.after)))


def _refuse_worse(approved: Plan, fresh: Plan) -> None:
    """A price that fell is welcome; anything else that differs from what was approved is not."""
    if fresh.total_usd is None or approved.total_usd is None or fresh.total_usd > approved.total_usd:
        raise RefusedError(
            f"the change now costs ${fresh.total_usd} a month, ${approved.total_usd} were approved",
            next_command="ask for a new plan",
        )
    ours, now = approved.server, fresh.server
    if (ours and (ours.type, ours.location)) != (now and (now.type, now.location)):
        raise RefusedError("another server would be taken than the one approved", next_command="ask for a new plan")


def _put_back(path: Path, original: bytes) -> None:
    temporary = path.with_suffix(f".{os.getpid()}.back")
    temporary.write_bytes(original)
    os.replace(temporary, path)

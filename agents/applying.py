"""One approved change: planned again on fresh prices, written to the stack file, deployed, checked."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agents import checks
from agents.proposal import Proposal
from infra import stack_file

if TYPE_CHECKING:
    from agents.scaling import Ground


@dataclass(frozen=True)
class Outcome:
    """What came of a change: `applied`, `taken back` or `not taken back`, and what the check found or why not."""

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
    checks.unchanged(stack_file.read(ground.project, stack), proposal)
    fresh = ground.basis(proposal.before).plan(proposal.after)
    checks.allowed_now(fresh)
    checks.not_worse(proposal.plan_after, fresh)
    path = stack_file.path_of(ground.project, stack)
    original = path.read_bytes()
    try:
        stack_file.write(ground.project, stack, proposal.edit)
        checks.as_written(stack_file.read(ground.project, stack), proposal)
        ground.deploy(stack)
    except BaseException:
        _put_back(path, original)
        raise
    return Outcome(stack, proposal.id, "applied", tuple(ground.check(proposal.after)))


def _put_back(path: Path, original: bytes) -> None:
    temporary = path.with_suffix(f".{os.getpid()}.back")
    temporary.write_bytes(original)
    os.replace(temporary, path)

"""Close changes and jobs whose process was killed while it applied the change or ran the job."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from agents.changes.ledger import Document, LedgerTransaction
from agents.changes.proposal import Proposal, changed_keys, values
from infra import stack_file
from stack_runtime.errors import StackError


def close_interrupted(transaction: LedgerTransaction, project: Path, stack: str, now: datetime) -> None:
    """Close changes and jobs of `stack` that are in the state `applying`. The caller holds the lock for applying.

    Their process was killed: if it were still running, the caller could not hold the lock. A change that the stack file
    does not have had no lasting effect, so it gets the state `failed`, blocks no other change and is never reverted.
    Everything else gets the state `interrupted`.
    """
    for entry in transaction.in_state("applying", stack):
        document = entry.document
        more = {**document.history_fields, "approver": entry.approver}
        if _may_be_written(project, document):
            state = "interrupted"
        else:
            state, more["error"] = "failed", "the process was killed, and the stack file does not have the change"
        transaction.set_state(document.id, state)
        transaction.record(now, stack, "", state, document.id, **more)


def _may_be_written(project: Path, document: Document) -> bool:
    """Return whether the stack file may have the change: it has one of its values, or it cannot be read.

    A job changes no file, so nobody can know how far it came: always True.
    """
    if not isinstance(document, Proposal):
        return True
    try:
        now, new = values(stack_file.read(project, document.stack)), values(document.after)
    except StackError:
        return True
    return any(now.get(key) == new.get(key) for key in changed_keys(document.before, document.after))

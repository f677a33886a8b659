"""The defences between a proposal and a change: one function each, and each is taken away once by the evals.

All raise `RefusedError`. What they are told is read from the ledger, the stack file and the cost model at that
moment, never from a model or a caller.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from datetime import datetime

from agents.bounds import Bounds, OutOfBoundsError, changed_keys
from agents.ledger import Document, Entry, no_such_proposal
from agents.proposal import Proposal, changed
from infra.cost import Plan, gate
from infra.hosts import host_of
from infra.settings import Settings
from stack_runtime.errors import RefusedError


def of_this_stack(entry: Entry, only: str | None) -> None:
    """Check that the proposal belongs to the served stack, if only one is served.

    Raises:
        UsageError: it belongs to another stack; the message is that of an unknown proposal.
    """
    if only not in (None, entry.proposal.stack):
        raise no_such_proposal()


def untouched(wrong_line: int | None) -> None:
    """Check by the hashes that no line of the history was changed."""
    if wrong_line is not None:
        raise RefusedError(
            f"line {wrong_line} of the history is not what was recorded, so nothing is approved or applied",
            where=".fds/agents.sqlite",
            next_command="find out who wrote into the file, then move it away",
        )


def undecided(entry: Entry) -> None:
    """Check that the proposal is still undecided, both in its table and in the history."""
    open_still = entry.state == "proposed" and entry.last_event.startswith(("planned: ", "ordered"))
    _refuse_if(not open_still, "the proposal has been decided on already", entry.proposal)


def recent(proposal: Document, now: datetime) -> None:
    """The proposal is not too old to be approved."""
    _refuse_if(now >= proposal.expires, "the proposal is too old", proposal)


def same_plan(digest: str, proposal: Document) -> None:
    """The person approves the very plan that is in the ledger."""
    same = secrets.compare_digest(digest.encode(errors="replace"), proposal.digest.encode())
    _refuse_if(not same, "the approval is for another plan than the one proposed", proposal)


def unchanged(settings: Settings, proposal: Proposal) -> None:
    """The stack is still the one that the proposal started from."""
    _refuse_if(settings != proposal.before, "the stack has changed since the proposal", proposal)


def right_token(token: str, entry: Entry) -> None:
    """The token is the one that was issued for this proposal."""
    same = secrets.compare_digest(hashed(token), entry.token_hash or "")
    _refuse_if(not same, "this is no approval of the proposal", entry.proposal)


def unspent(entry: Entry) -> None:
    """Check that the approval is unused, both in its table and in the history; a failed use counts as used."""
    unused = entry.state == "approved" and entry.last_event == "approved"
    _refuse_if(not unused, "the approval has been used already", entry.proposal)


def not_lapsed(entry: Entry, now: datetime) -> None:
    """The approval is not too old."""
    lapsed = entry.approval_expires is None or now >= entry.approval_expires
    _refuse_if(lapsed, "the approval has lapsed", entry.proposal)


def as_approved(entry: Entry) -> None:
    """Check that the stored proposal and approval are those that the history recorded."""
    same = entry.digest == entry.proposal.digest and entry.recorded
    _refuse_if(not same, "the proposal is not the one that was approved", entry.proposal)


def not_ended(entry: Entry) -> None:
    """Check in the history that the temporary change has not been reverted yet."""
    there = entry.last_event in ("approved", "applied", "interrupted", "not taken back")
    _refuse_if(not there, "the change has been reverted already", entry.proposal)


def allowed_now(fresh: Plan) -> None:
    """The cost model lets the change through on today's figures."""
    gate(fresh)


def no_dearer(approved: Plan, fresh: Plan, staying: Plan | None = None) -> None:
    """It costs no more than approved, or, for a way back, no more than staying does; a price that fell is welcome."""
    most = [plan.total_usd for plan in (approved, staying) if plan and plan.total_usd is not None]
    if fresh.total_usd is None or not most or fresh.total_usd > max(most):
        raise RefusedError(
            f"it now costs ${fresh.total_usd} a month, ${approved.total_usd} were approved",
            next_command="ask for a new plan",
        )


def same_server(approved: Plan, fresh: Plan) -> None:
    """The server is the one that was approved."""
    ours, now = approved.server, fresh.server
    if (ours and (ours.type, ours.location)) != (now and (now.type, now.location)):
        raise RefusedError("another server would be taken than the one approved", next_command="ask for a new plan")


def as_written(settings: Settings, proposal: Proposal) -> None:
    """The stack file now says what was approved, and nothing else came in meanwhile."""
    _refuse_if(settings != proposal.after, "the stack file would not say what was approved", proposal)


def still_there(current: Settings, proposal: Proposal) -> list[str]:
    """What a temporary change set and nobody changed since, or what a run that was killed took back already."""
    return [
        name
        for name in changed(proposal.before, proposal.after)
        if getattr(current, name) in (getattr(proposal.after, name), getattr(proposal.before, name))
    ]


def can_end(before: Settings, after: Settings, days: int | None) -> None:
    """A temporary change can be undone."""
    if days and after.volume_gb != before.volume_gb:
        raise RefusedError("a larger volume cannot be temporary, for it can only grow")


def not_nested(proposal: Proposal, temporary: Iterable[Proposal]) -> None:
    """What is temporary already is not changed for a while once more: it would go back to what was to end by then."""
    names = set(changed(proposal.before, proposal.after))
    for other in temporary if proposal.until else ():
        if both := names & set(changed(other.before, other.after)):
            end = f"{other.until:%Y-%m-%d %H:%M} UTC" if other.until else ""
            raise RefusedError(
                f"{', '.join(sorted(both))} is temporary already, until {end}",
                where=other.id,
                next_command="ask again when that has ended, or for a change that stays",
            )


def unasked(bounds: Bounds, document: Document) -> None:
    """Check that `--yes` may approve this document: a change may qualify, a job never does.

    Raises:
        OutOfBoundsError: a person must approve it.
    """
    if not isinstance(document, Proposal):
        raise _out_of_bounds("--yes covers only changes of size, not runs", document)
    allowed_unasked(bounds, document)
    cheap_enough_unasked(bounds, document)
    can_be_undone(document)


def allowed_unasked(bounds: Bounds, proposal: Proposal) -> None:
    """Check that every changed setting is named in `--allow`."""
    if others := [key for key in changed_keys(proposal.before, proposal.after) if key not in bounds.allow]:
        raise _out_of_bounds(f"{', '.join(others)} would change, which --allow does not name", proposal)


def cheap_enough_unasked(bounds: Bounds, proposal: Proposal) -> None:
    """Check that the budget group would cost at most `--up-to` a month."""
    total = proposal.plan_after.total_usd
    if total is None or total > bounds.up_to_usd:
        costs = "an unknown sum" if total is None else f"${total:.2f}"
        raise _out_of_bounds(f"it would cost {costs} a month, --up-to allows ${bounds.up_to_usd:.2f}", proposal)


def can_be_undone(proposal: Proposal) -> None:
    """Check that the change can be reverted without losing data, backups or the current server."""
    before, after = proposal.before, proposal.after
    old, new = proposal.plan_before.server, proposal.plan_after.server
    why = ""
    if after.volume_gb > before.volume_gb:
        why = "a volume can only grow"
    elif before.backups and not after.backups:
        why = "the provider deletes the backups when they are switched off"
    elif not host_of(before).makes_machine:
        pass
    elif old is None or new is None:
        why = "it is unknown which server would be replaced"
    elif (old.location, old.architecture) != (new.location, new.architecture):
        why = "the server would be replaced, and its disk deleted"
    elif new.disk_gb < old.disk_gb:
        why = f"a disk of {new.disk_gb} GB would replace one of {old.disk_gb} GB"
    elif old.type != new.type and not old.orderable:
        why = f"{old.type} cannot be ordered any more"
    if why:
        raise _out_of_bounds(f"it cannot be undone, so --yes does not cover it: {why}", proposal)


def is_part_of(asked: Iterable[str], done: Iterable[str]) -> bool:
    """Whether an alternative does some of what was asked for, and touches nothing else but the server's type."""
    return bool(set(done) & set(asked)) and set(done) <= {*asked, "server_type"}


def hashed(token: str) -> str:
    """What the ledger keeps of a token."""
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()


def _out_of_bounds(why: str, proposal: Document) -> OutOfBoundsError:
    return OutOfBoundsError(why, next_command=f"python -m agents approve {proposal.id} {proposal.digest}")


def _refuse_if(wrong: bool, why: str, proposal: Document) -> None:
    if wrong:
        raise RefusedError(why, where=proposal.id, next_command="ask for a new plan")

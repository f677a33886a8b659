"""Check the conditions for approving and applying a change, with one function for each condition.

The evals disable one function at a time and require that at least one case fails. A failed check raises `RefusedError`,
unless its docstring names another error. The checked plans, settings and states come from the ledger, the stack file
and the cost model, never from a language model or a caller.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from datetime import datetime

from agents.changes.bounds import Bounds, OutOfBoundsError, scaled_keys
from agents.changes.former_server import with_server_of
from agents.changes.ledger import FILE_ADVICE, Document, Entry, unknown_proposal
from agents.changes.proposal import Key, Proposal, changed_keys, spelled, values
from agents.digests import hash_token
from infra.cost import Plan, gate
from infra.hosts import host_of
from infra.settings import Settings
from stack_runtime.errors import RefusedError


def belongs_to_stack(entry: Entry, only: str | None) -> None:
    """Check that the proposal belongs to the stack `only`; accept the proposals of all stacks if `only` is None.

    Raises:
        UsageError: the proposal belongs to another stack; the message is the same as for an unknown proposal.
    """
    if only not in (None, entry.document.stack):
        raise unknown_proposal()


def history_intact(invalid_line: int | None) -> None:
    """Check that the history is complete and unchanged.

    Args:
        invalid_line: number of the first line that was changed or is missing; None when all are intact.
    """
    if invalid_line is not None:
        raise RefusedError(
            f"line {invalid_line} of the history is not what was recorded, so nothing can be approved or applied",
            where=".fds/agents.sqlite",
            next_command=FILE_ADVICE,
        )


def undecided(entry: Entry) -> None:
    """Check in the table of proposals and in the history that nobody has decided on the proposal yet."""
    is_open = entry.state == "proposed" and entry.last_event.startswith(("planned: ", "ordered"))
    _require(is_open, "the proposal has been decided on already", entry.document)


def proposal_not_expired(proposal: Document, now: datetime) -> None:
    """Check that the proposal has not expired, so that it can still be approved."""
    _require(now < proposal.expires, "the proposal is too old", proposal)


def digest_matches(digest: str, proposal: Document) -> None:
    """Check that the digest that the person approves equals the digest of the stored proposal."""
    same = secrets.compare_digest(digest.encode(errors="replace"), proposal.digest.encode())
    _require(same, "the digest does not belong to this proposal", proposal)


def stack_unchanged(settings: Settings, proposal: Proposal) -> None:
    """Check that the stack still has the settings that the proposal started from."""
    _require(settings == proposal.before, "the stack has changed since the proposal", proposal)


def token_matches(token: str, entry: Entry) -> None:
    """Check that the token was issued for this proposal."""
    same = secrets.compare_digest(hash_token(token), entry.token_hash or "")
    _require(same, "the token is not an approval of this proposal", entry.document)


def approval_unused(entry: Entry) -> None:
    """Check in the table of proposals and in the history that the approval is unused.

    An attempt to apply the proposal uses up the approval, even if it fails.
    """
    unused = entry.state == "approved" and entry.last_event == "approved"
    _require(unused, "the approval has been used already", entry.document)


def approval_not_expired(entry: Entry, now: datetime) -> None:
    """Check that the approval has not expired."""
    valid = entry.approval_expires is not None and now < entry.approval_expires
    _require(valid, "the approval has expired", entry.document)


def matches_approval(entry: Entry) -> None:
    """Check that the stored proposal and approval are the proposal and the approval that the history recorded."""
    same = entry.digest == entry.document.digest and entry.is_recorded
    _require(same, "the proposal is not the one that was approved", entry.document)


def not_reverted(entry: Entry) -> None:
    """Check in the history that the temporary change has not been reverted yet."""
    in_effect = entry.last_event in ("approved", "applied", "interrupted", "not taken back")
    _require(in_effect, "the change has been reverted already", entry.document)


def passes_gate(fresh: Plan) -> None:
    """Check that the gate allows the plan at current prices.

    Raises:
        RefusedError: the plan is over the budget, or the services do not fit.
        UnknownError: a price, the rate or a capacity is unknown or too old.
    """
    gate(fresh)


def costs_no_more(approved: Plan, fresh: Plan, staying: Plan | None = None) -> None:
    """Check that the plan `fresh` costs at most as much as the plan `approved`.

    Args:
        staying: for a revert, the plan without the revert; if it costs more than `approved`, it is the limit instead.
    """
    limits = [plan.total_usd for plan in (approved, staying) if plan and plan.total_usd is not None]
    if fresh.total_usd is None or not limits or fresh.total_usd > max(limits):
        raise RefusedError(
            f"the plan now costs ${fresh.total_usd} a month, but ${approved.total_usd} were approved",
            next_command="ask for a new plan",
        )


def uses_approved_server(approved: Plan, fresh: Plan) -> None:
    """Check that the plan `fresh` has the server type and the location of the plan `approved`."""
    old, new = approved.server, fresh.server
    if (old and (old.type, old.location)) != (new and (new.type, new.location)):
        raise RefusedError("the plan now has another server than the approved plan", next_command="ask for a new plan")


def file_matches_proposal(settings: Settings, proposal: Proposal) -> None:
    """Check that `settings`, read from the stack file after it was written, are exactly the approved settings."""
    _require(settings == proposal.after, "the stack file would differ from what was approved", proposal)


def settings_to_revert(current: Settings, proposal: Proposal) -> list[Key]:
    """Return the keys of the settings that a revert restores.

    These are the settings that the temporary change changed, without those that somebody has changed since. Settings
    that a killed revert already restored are included, also if it named the former server instead of `auto`.
    """
    named = with_server_of(proposal.before, proposal.plan_before)
    now, *known = map(values, (current, proposal.after, proposal.before, named))
    keys = changed_keys(proposal.before, proposal.after)
    return [key for key in keys if now.get(key) in [found.get(key) for found in known]]


def can_be_temporary(proposal: Proposal) -> None:
    """Check that a temporary change can be reverted, because a volume can only grow, and some servers never return."""
    if not proposal.until:
        return
    if proposal.after.volume_gb != proposal.before.volume_gb:
        raise RefusedError(
            "a larger volume cannot be temporary, because a volume can only grow", next_command="ask again without days"
        )
    if proposal.decision != "refuse" and (why := _loss_of_server(proposal)):
        raise RefusedError(f"the change cannot be temporary: {why}", next_command="ask again without days")


def no_temporary_overlap(proposal: Proposal, temporary: Iterable[Proposal]) -> None:
    """Check that `proposal`, if it is temporary, changes no setting that another temporary change also changes.

    Otherwise, reverting `proposal` could restore the temporary value of the other change.
    """
    keys = set(changed_keys(proposal.before, proposal.after))
    for other in temporary if proposal.until else ():
        if both := keys & set(changed_keys(other.before, other.after)):
            end = f"{other.until:%Y-%m-%d %H:%M} UTC" if other.until else ""
            raise RefusedError(
                f"{', '.join(sorted(map(spelled, both)))} is already temporary until {end}",
                where=other.id,
                next_command="ask again after that",
            )


def covered_by_yes(bounds: Bounds, document: Document) -> None:
    """Check that `--yes` may approve this document: a change within the bounds that can be undone, never a job.

    Raises:
        OutOfBoundsError: a person must approve the document.
    """
    if not isinstance(document, Proposal):
        raise _out_of_bounds("--yes covers changes of size, but not runs", document)
    settings_within_bounds(bounds, document)
    cost_within_bounds(bounds, document)
    can_be_undone(document)


def settings_within_bounds(bounds: Bounds, proposal: Proposal) -> None:
    """Check that every changed setting is named in `--allow`; raise `OutOfBoundsError` otherwise."""
    if others := [key for key in scaled_keys(proposal.before, proposal.after) if key not in bounds.allow]:
        raise _out_of_bounds(f"{', '.join(others)} would change, which --allow does not name", proposal)


def cost_within_bounds(bounds: Bounds, proposal: Proposal) -> None:
    """Check that the budget group would cost at most `--up-to` a month; raise `OutOfBoundsError` otherwise."""
    total = proposal.plan_after.total_usd
    if total is None or total > bounds.up_to_usd:
        costs = "an unknown sum" if total is None else f"${total:.2f}"
        what = f"the budget's stacks would cost {costs} a month, but --up-to allows ${bounds.up_to_usd:.2f}"
        raise _out_of_bounds(what, proposal)


def can_be_undone(proposal: Proposal) -> None:
    """Check that the volume, the backups, the disk and the server type can be restored after the change.

    Raises:
        OutOfBoundsError: one of them cannot be restored; for example, because the change enlarges the volume.
    """
    before, after = proposal.before, proposal.after
    if after.volume_gb > before.volume_gb:
        why = "a volume can only grow"
    elif before.backups and not after.backups:
        why = "the provider deletes the backups when they are switched off"
    else:
        why = _loss_of_server(proposal)
    if why:
        raise _out_of_bounds(f"the change cannot be undone, so --yes does not cover it: {why}", proposal)


def _loss_of_server(proposal: Proposal) -> str:
    """Return why the change replaces the server or its disk, or leaves its type for good; empty if it does not."""
    old, new = proposal.plan_before.server, proposal.plan_after.server
    if not host_of(proposal.before).makes_machine:
        return ""
    if old is None or new is None:
        return "it is unknown which server would be replaced"
    if (old.location, old.architecture) != (new.location, new.architecture):
        return "the server would be replaced, and its disk deleted"
    if new.disk_gb < old.disk_gb:
        return f"a disk of {new.disk_gb} GB would replace one of {old.disk_gb} GB"
    return f"{old.type} cannot be ordered any more" if old.type != new.type and not old.orderable else ""


def is_part_of_request(requested: Iterable[Key], changes: Iterable[Key]) -> bool:
    """Return whether `changes` has a requested setting, and nothing but requested settings and the server type."""
    return bool(set(changes) & set(requested)) and set(changes) <= {*requested, ("server_type",)}


def _out_of_bounds(why: str, proposal: Document) -> OutOfBoundsError:
    return OutOfBoundsError(why, next_command=f"python -m agents approve {proposal.id} {proposal.digest}")


def _require(condition: bool, otherwise: str, proposal: Document) -> None:
    if not condition:
        raise RefusedError(otherwise, where=proposal.id, next_command="ask for a new plan")

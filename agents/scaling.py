"""From a typed request to a change that a person approved: plan, approve, apply, check, record, and go back in time.

    request ──► propose ──► Proposal ──► approve (a person) ──► token ──► apply ──► stack file, up, check

Nothing here believes a price or a promise that came from outside: settings are read from the stack file, plans
are made by the cost model, and both are made again at the moment of the change.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from agents.applying import Outcome, apply_change
from agents.ledger import Book, Entry, Ledger
from agents.proposal import SCALABLE, Proposal, changed
from agents.request import ScalingRequest
from agents.wording import paragraph
from infra import stack_file
from infra.cost import Plan
from infra.settings import Settings
from stack_runtime.errors import RefusedError, StackError, UsageError

PROPOSAL_LIFE = timedelta(hours=24)
APPROVAL_LIFE = timedelta(minutes=30)
"""How long a proposal may wait for a person, and an approval for its change."""


@dataclass(frozen=True)
class Ground:
    """What the desk stands on.

    Args:
        project: the folder of the stack files.
        decide: the cost model.
        deploy: brings a stack to what its file says.
        check: what is wrong with the running stack, in words; empty when it is as the settings say.
        now: the time, in UTC.
    """

    project: Path
    decide: Callable[[Settings], Plan]
    deploy: Callable[[str], None]
    check: Callable[[Settings], list[str]]
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


class ScalingDesk:
    """The only way from a request to a change of one project's stacks."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._ledger = Ledger(ground.project / ".fds")

    def propose(self, stack: str, request: ScalingRequest, person: str) -> Proposal:
        """Plan a request on top of the stack as it will be, with changes counted that are approved and not applied.

        Returns: the proposal; one with decision `refuse` cannot be approved.
        Raises:
            UsageError: the request names nothing, something that does not exist, or something impossible.
            UnknownError, UnreachableError: prices or rate cannot be had.
        """
        now = self._ground.now()
        with self._ledger.open() as book:
            before = self._as_it_will_be(book, stack, now)
        proposal = self._planned(before, request, person, now)
        with self._ledger.open() as book:
            if proposal.decision != "refuse":
                book.add(proposal)
            self._record(book, proposal, person, f"planned: {proposal.decision}", digest=proposal.digest)
        return proposal

    def approve(self, proposal_id: str, digest: str, person: str) -> str:
        """A person's approval of exactly the proposal that has this digest.

        Returns: a token for one application within `APPROVAL_LIFE`; only its hash is kept.
        Raises:
            RefusedError: the proposal is another one, too old, already approved, or the stack has changed since.
        """
        token = secrets.token_urlsafe(32)
        now = self._ground.now()
        with self._ledger.open() as book:
            entry = book.find(proposal_id)
            proposal = entry.proposal
            _refuse_if(entry.state != "proposed", "the proposal has been decided on already", proposal)
            _refuse_if(now >= proposal.expires, "the proposal is too old", proposal)
            _refuse_if(not secrets.compare_digest(digest.encode(), proposal.digest.encode()),
                       "the approval is for another plan than the one proposed", proposal)  # fmt: skip
            _refuse_if(self._as_it_will_be(book, proposal.stack, now) != proposal.before,
                       "the stack has changed since the proposal", proposal)  # fmt: skip
            book.approve(entry, _hashed(token), person, now, now + APPROVAL_LIFE)
            self._record(book, proposal, person, "approved", digest=digest)
        return token

    def apply(self, proposal_id: str, token: str, person: str) -> Outcome:
        """Make the approved change: plan it again on fresh prices, edit the stack file, deploy, check, record.

        The approval is spent by the attempt, whatever comes of it.

        Raises:
            RefusedError: no valid approval, or the change is no longer what was approved.
            StackError: the deployment failed; the stack file is as it was.
        """
        with self._ledger.alone():
            entry = self._spend(proposal_id, token)
            return self._carry_out(entry.proposal, person, entry.approver or "")

    def expire(self, person: str = "scheduler") -> list[Outcome]:
        """Take back every temporary change whose time is over; its approval covered the way back.

        Returns: one outcome a change; one that could not be taken back stays due, and its outcome says why.
        """
        with self._ledger.alone():
            with self._ledger.open() as book:
                due = book.due(self._ground.now())
            return [self._take_back(entry, person) for entry in due]

    def find(self, proposal_id: str) -> Entry:
        """A proposal and its state."""
        with self._ledger.open() as book:
            return book.find(proposal_id)

    def history(self, stack: str, count: int = 20) -> list[dict[str, Any]]:
        """Who did what, newest first."""
        with self._ledger.open() as book:
            return [dict(line) for line in book.history(stack, count)]

    def settings(self, stack: str) -> Settings:
        """The stack as it will be when everything approved is applied."""
        with self._ledger.open() as book:
            return self._as_it_will_be(book, stack, self._ground.now())

    def plan(self, stack: str) -> Plan:
        """What that stack costs."""
        return self._ground.decide(self.settings(stack))

    def _as_it_will_be(self, book: Book, stack: str, now: datetime) -> Settings:
        settings = stack_file.read(self._ground.project, stack)
        for proposal in book.pending(stack, now):
            update = {name: getattr(proposal.after, name) for name in changed(proposal.before, proposal.after)}
            settings = settings.model_copy(update=update)
        return settings

    def _planned(self, before: Settings, request: ScalingRequest, person: str, now: datetime) -> Proposal:
        changes = request.changes()
        if not changes:
            raise UsageError("the request names nothing to change", next_command="say what shall change")
        after = with_changes(before, changes)
        plan = self._ground.decide(after)
        decision = "accept"
        if plan.verdict != "within":
            after, plan, decision = self._nearest(before, after, plan)
        _refuse_impossible(before, after, request)
        proposal = Proposal(
            id=secrets.token_hex(8),
            stack=before.stack,
            person=person,
            request=request,
            decision=decision,
            before=before,
            after=after,
            plan_before=self._ground.decide(before),
            plan_after=plan,
            reason="",
            created=now,
            expires=now + PROPOSAL_LIFE,
            until=now + timedelta(days=request.days) if request.days else None,
        )
        return proposal.model_copy(update={"reason": paragraph(proposal)})

    def _nearest(self, before: Settings, wanted: Settings, plan: Plan) -> tuple[Settings, Plan, Any]:
        """The first alternative that is within the budget and still changes something, or a refusal."""
        for alternative in plan.alternatives:
            after = with_changes(wanted, alternative.settings)
            smaller = self._ground.decide(after)
            if smaller.verdict == "within" and _is_part_of(before, wanted, after):
                return after, smaller, "scale_down_to_fit"
        return wanted, plan, "refuse"

    def _spend(self, proposal_id: str, token: str) -> Entry:
        now = self._ground.now()
        with self._ledger.open() as book:
            entry = book.find(proposal_id)
            proposal = entry.proposal
            given, kept = _hashed(token), entry.token_hash or ""
            _refuse_if(not secrets.compare_digest(given, kept), "this is no approval of the proposal", proposal)
            _refuse_if(entry.state != "approved", "the approval has been used already", proposal)
            _refuse_if(entry.approval_expires is None or now >= entry.approval_expires,
                       "the approval has lapsed", proposal)  # fmt: skip
            _refuse_if(entry.digest != proposal.digest, "the proposal is not the one that was approved", proposal)
            self._settle(book, proposal.stack)
            book.move(proposal_id, "applying")
        return entry

    def _settle(self, book: Book, stack: str) -> None:
        """Close what a killed process left open. We hold the lock, so nobody is at it any more."""
        for dead in book.in_state("applying", stack):
            book.move(dead.proposal.id, "interrupted")
            self._record(book, dead.proposal, "", "interrupted", approver=dead.approver)

    def _carry_out(self, proposal: Proposal, person: str, approver: str) -> Outcome:
        try:
            outcome = apply_change(self._ground, proposal)
        except Exception as error:
            state = "refused" if isinstance(error, RefusedError) else "failed"
            with self._ledger.open() as book:
                book.move(proposal.id, state)
                self._record(book, proposal, person, state, approver=approver, error=str(error))
            raise
        with self._ledger.open() as book:
            book.move(proposal.id, "applied")
            self._record(book, proposal, person, "applied", approver=approver, problems=outcome.problems)
        return outcome

    def _take_back(self, entry: Entry, person: str) -> Outcome:
        proposal = entry.proposal
        current = stack_file.read(self._ground.project, proposal.stack)
        names = changed(proposal.before, proposal.after)
        moved_on = [
            name
            for name in names
            if getattr(current, name) not in (getattr(proposal.after, name), getattr(proposal.before, name))
        ]
        back = current.model_copy(update={name: getattr(proposal.before, name) for name in names})
        outcome = Outcome(proposal.stack, proposal.id, "taken back", ())
        try:
            if moved_on:
                raise RefusedError(f"{', '.join(moved_on)} changed since, so nothing was taken back")
            way_back = proposal.model_copy(
                update={"before": current, "after": back, "plan_after": proposal.plan_before}
            )
            outcome = apply_change(self._ground, way_back)
        except StackError as error:
            outcome = Outcome(proposal.stack, proposal.id, "not taken back", (str(error),))
        with self._ledger.open() as book:
            if outcome.status == "applied" or moved_on:
                book.move(proposal.id, "ended")
            event = "taken back" if outcome.status == "applied" else "not taken back"
            self._record(book, proposal, person, event, approver=entry.approver, problems=outcome.problems)
        return outcome

    def _record(self, book: Book, proposal: Proposal, person: str, event: str, **more: Any) -> None:
        book.record(
            self._ground.now(),
            proposal.stack,
            person,
            event,
            proposal.id,
            reason=proposal.request.reason,
            edit=proposal.edit,
            before_usd=proposal.plan_before.total_usd,
            after_usd=proposal.plan_after.total_usd,
            **more,
        )


def with_changes(settings: Settings, changes: Any) -> Settings:
    """`settings` with `changes` (camelCase), checked as a stack file would be.

    Raises:
        UsageError: a setting is wrong.
    """
    values = settings.model_dump(mode="json", by_alias=True, exclude={"stack"}, exclude_none=True)
    new = dict(changes)
    if isinstance(new.get("profiles"), str):  # as `fds scale` takes it
        new["profiles"] = new["profiles"].split(",")
    if "services" in new:
        new["services"] = {**values["services"], **new["services"]}
    return Settings.of(settings.stack, {**values, **new})


def _is_part_of(before: Settings, wanted: Settings, after: Settings) -> bool:
    """Whether `after` does some of what was asked for and touches nothing else but the type of the server."""
    asked = changed(before, wanted)
    return any(name in asked for name in changed(before, after)) and set(changed(before, after)) <= {
        *asked,
        "server_type",
    }


def _refuse_impossible(before: Settings, after: Settings, request: ScalingRequest) -> None:
    """What no price can make right."""
    others = [name for name in changed(before, after) if name not in SCALABLE]
    if others:
        raise RefusedError(f"{', '.join(others)} cannot be changed by a request", next_command="edit the stack file")
    if after.volume_gb < before.volume_gb:
        raise RefusedError(f"the data volume has {before.volume_gb} GB and can only grow")
    if request.days and after.volume_gb != before.volume_gb:
        raise RefusedError("a larger volume cannot be temporary, for it can only grow")


def _refuse_if(wrong: bool, why: str, proposal: Proposal) -> None:
    if wrong:
        raise RefusedError(why, where=f"proposal {proposal.id}", next_command="ask for a new plan")


def _hashed(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()

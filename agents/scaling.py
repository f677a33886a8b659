"""From a typed request to a change that a person approved: plan, approve, apply, check, record, and go back in time.

    request ──► propose ──► Proposal ──► approve (a person) ──► token ──► apply ──► stack file, up, check

Nothing here believes a price or a promise that came from outside: settings are read from the stack file, plans
are made by the cost model, and both are made again at the moment of the change.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from agents import checks
from agents.applying import Outcome, apply_change
from agents.ledger import Book, Entry, Ledger
from agents.proposal import Decision, Proposal, changed
from agents.request import ScalingRequest
from agents.wording import paragraph
from infra import stack_file
from infra.cost import Plan, scaling
from infra.cost.decide import Basis
from infra.cost.diff import diff
from infra.settings import Settings
from stack_runtime.errors import RefusedError, StackError

PROPOSAL_LIFE = timedelta(hours=24)
APPROVAL_LIFE = timedelta(minutes=30)
"""How long a proposal may wait for a person, and an approval for its change."""


@dataclass(frozen=True)
class Ground:
    """What the desk stands on.

    Args:
        project: the folder of the stack files.
        basis: fetches what plans for some settings are made from; every plan comes from it.
        deploy: brings a stack to what its file says.
        check: what is wrong with the running stack, in words; empty when it is as the settings say.
        now: the time, in UTC.
    """

    project: Path
    basis: Callable[[Settings], Basis]
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
            UsageError: the request names nothing, or something that does not exist.
            RefusedError: it asks for what no price can make right.
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
            checks.undecided(entry)
            checks.recent(proposal, now)
            checks.same_plan(digest, proposal)
            checks.unchanged(self._as_it_will_be(book, proposal.stack, now), proposal)
            book.approve(entry, checks.hashed(token), person, now, now + APPROVAL_LIFE)
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
        settings = self.settings(stack)
        return self._ground.basis(settings).plan(settings)

    def _as_it_will_be(self, book: Book, stack: str, now: datetime) -> Settings:
        settings = stack_file.read(self._ground.project, stack)
        for proposal in book.pending(stack, now):
            update = {name: getattr(proposal.after, name) for name in changed(proposal.before, proposal.after)}
            settings = settings.model_copy(update=update)
        return settings

    def _planned(self, before: Settings, request: ScalingRequest, person: str, now: datetime) -> Proposal:
        after = scaling.changed(before, scaling.parse(request.pairs(), before))
        basis = self._ground.basis(before)
        now_planned = basis.plan(before)
        plan = diff(now_planned, basis.plan(after))
        decision: Decision = "accept"
        if plan.verdict != "within":
            decision = "refuse"
            for smaller in _smaller(before, after, plan):
                smaller_plan = diff(now_planned, basis.plan(smaller))
                if smaller_plan.verdict == "within" and not _same(smaller_plan, now_planned):
                    after, plan, decision = smaller, smaller_plan, "scale_down_to_fit"
                    break
        checks.can_end(before, after, request.days)
        if before.host != "local":
            scaling.refuse_shrinking(before, after, plan, basis.deployed)
        proposal = Proposal(
            id=secrets.token_hex(8),
            stack=before.stack,
            person=person,
            request=request,
            decision=decision,
            before=before,
            after=after,
            plan_before=now_planned,
            plan_after=plan,
            reason="",
            created=now,
            expires=now + PROPOSAL_LIFE,
            until=now + timedelta(days=request.days) if request.days else None,
        )
        return proposal.model_copy(update={"reason": paragraph(proposal)})

    def _spend(self, proposal_id: str, token: str) -> Entry:
        now = self._ground.now()
        with self._ledger.open() as book:
            entry = book.find(proposal_id)
            checks.right_token(token, entry)
            checks.unspent(entry)
            checks.not_lapsed(entry, now)
            checks.as_approved(entry)
            self._settle(book, entry.proposal.stack)
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
        back = current.model_copy(update={name: getattr(proposal.before, name) for name in names})
        way_back = proposal.model_copy(update={"before": current, "after": back, "plan_after": proposal.plan_before})
        over, done, problems = True, True, tuple[str, ...]()
        try:
            checks.not_moved_on(current, proposal)
            over = False
            problems = apply_change(self._ground, way_back).problems
        except StackError as error:
            done, problems = False, (str(error),)
        event = "taken back" if done else "not taken back"
        with self._ledger.open() as book:
            if done or over:
                book.move(proposal.id, "ended")
            self._record(book, proposal, person, event, approver=entry.approver, problems=problems)
        return Outcome(proposal.stack, proposal.id, event, problems)

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


def _smaller(before: Settings, wanted: Settings, plan: Plan) -> Iterator[Settings]:
    """The planner's alternatives that do some of what was asked for, and touch nothing else but the server's type."""
    asked = changed(before, wanted)
    for alternative in plan.alternatives:
        pairs = [f"{key}={value}" for key, value in alternative.settings.items()]
        after = scaling.changed(wanted, scaling.parse(pairs, wanted))
        if checks.is_part_of(asked, changed(before, after)):
            yield after


def _same(one: Plan, other: Plan) -> bool:
    """Whether two plans stand for the same machine with the same services on it."""
    return (one.server, one.capacity, one.lines) == (other.server, other.capacity, other.lines)

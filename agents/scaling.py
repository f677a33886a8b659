"""From a typed request to a change that a person approved: plan, approve, apply, check, record, and go back in time.

    request ──► propose ──► Proposal ──► approve (a person) ──► token ──► apply ──► stack file, up, check

Nothing here believes a price or a promise that came from outside: settings are read from the stack file, plans
are made by the cost model, and both are made again at the moment of the change.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from agents import checks
from agents.applying import Outcome, apply_change, run_job, take_back
from agents.bounds import Bounds
from agents.jobs import Job, Work
from agents.ledger import Book, Document, Entry, Ledger
from agents.planning import planned
from agents.proposal import LIFE, Proposal, changed
from agents.request import ScalingRequest
from infra import stack_file
from infra.cost import Plan
from infra.cost.planning_inputs import PlanningInputs
from infra.settings import Settings
from stack_runtime.errors import RefusedError, UnreachableError

APPROVAL_LIFE = timedelta(minutes=30)
"""How long an approval may wait for its change."""


def _nowhere(job: Job) -> tuple[Any, str]:
    raise UnreachableError(f"{job.work.tool} cannot be done from here", next_command="fds run")


@dataclass(frozen=True)
class Ground:
    """Dependencies of the desk.

    Args:
        project: the folder of the stack files.
        basis: fetches the planning inputs (prices, rate, account) for settings; every plan uses it.
        deploy: deploys these settings; refuses when the engine resolves different ones, or
            when the plan made for the deployment is not covered by the approval.
        check: returns problems of the running stack as text; empty when it matches the settings.
        run: runs a job; returns its result, and its problem as text or an empty text.
        now: returns the current time in UTC.
    """

    project: Path
    basis: Callable[[Settings], PlanningInputs]
    deploy: Callable[[Settings, Callable[[Plan], None]], None]
    check: Callable[[Settings], list[str]]
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    run: Callable[[Job], tuple[Any, str]] = _nowhere


class ScalingDesk:
    """Plan, approve and apply changes of a project's stacks; agents have no other way to change them.

    Args:
        only: name of the stack to serve; proposals and jobs of other stacks are then unknown. None: all stacks.
    """

    def __init__(self, ground: Ground, only: str | None = None) -> None:
        self._ground = ground
        self._only = only
        self._ledger = Ledger(ground.project / ".fds")

    def propose(self, stack: str, request: ScalingRequest, person: str) -> Proposal:
        """Plan a request on top of the stack as it will be, with changes counted that are approved and not applied.

        Returns: the proposal; one with decision `refuse` cannot be approved.
        Raises:
            UsageError: the request names nothing, or something that does not exist.
            RefusedError: it asks for what no price can make right.
            UnknownError, UnreachableError: prices or rate cannot be had.
        """
        now = self._now()
        with self._ledger.open() as book:
            before, temporary = self._as_it_will_be(book, stack, now), book.temporary(stack, now)
        proposal = planned(before, self._ground.basis(before), request, person, now)
        checks.not_nested(proposal, temporary)
        with self._ledger.open() as book:
            if proposal.decision != "refuse":
                book.add(proposal)
            self._record(book, proposal, person, f"planned: {proposal.decision}", digest=proposal.digest)
        return proposal

    def order(self, stack: str, work: Work, person: str, call_id: str = "") -> Job:
        """Put a job before a person. Nothing is done.

        Args:
            call_id: the call of a model that asks for it.
        Raises:
            RefusedError: the same call has been made before.
        """
        now, name = self._now(), secrets.token_hex(8)
        job = Job(
            id=name,
            stack=stack_file.read(self._ground.project, stack).stack,
            person=person,
            work=work,
            call_id=call_id or name,
            created=now,
            expires=now + LIFE,
        )
        with self._ledger.open() as book:
            book.add(job)
            self._record(book, job, person, "ordered", digest=job.digest)
        return job

    def approve(self, proposal_id: str, digest: str, person: str, within: Bounds | None = None) -> str:
        """Approve exactly the proposal or job that has this digest.

        Args:
            within: the bounds, if the approval was given before the proposal was made; only for changes.
        Returns: a token for one application within `APPROVAL_LIFE`; only its hash is stored.
        Raises:
            OutOfBoundsError: the change is outside the bounds; nothing was approved.
            RefusedError: the digest differs, the proposal is too old or already decided, or the stack has changed.
        """
        token = f"fda_{secrets.token_urlsafe(32)}"  # so that none looks like an option of a command
        now = self._now()
        with self._ledger.open() as book:
            entry = self._found(book, proposal_id)
            proposal = entry.proposal
            checks.untouched(book.wrong_line())
            checks.undecided(entry)
            checks.recent(proposal, now)
            checks.same_plan(digest, proposal)
            if isinstance(proposal, Proposal):
                checks.unchanged(self._as_it_will_be(book, proposal.stack, now), proposal)
            if within:
                checks.unasked(within, proposal)
            book.approve(entry, checks.hashed(token), person, now, now + APPROVAL_LIFE)
            more = {"within": within.told} if within else {}
            self._record(book, proposal, person, "approved", digest=digest, seal=book.find(proposal_id).seal, **more)
        return token

    def apply(self, proposal_id: str, token: str, person: str) -> Outcome:
        """Make the approved change: plan it again on fresh prices, edit the stack file, deploy, check, record. Or do
        the approved job.

        The approval is spent by the attempt, whatever comes of it.

        Raises:
            RefusedError: no valid approval, or the change is no longer what was approved.
            StackError: the deployment failed; the stack file is as it was.
        """
        with self._ledger.alone():
            entry = self._spend(proposal_id, token)
            return self._carry_out(entry, person)

    def expire(self, person: str = "scheduler") -> list[Outcome]:
        """Take back every temporary change whose time is over; its approval covered the way back.

        Returns: one outcome a change; one that could not be taken back stays due, and its outcome says why.
        """
        with self._ledger.alone():
            now = self._now()
            with self._ledger.open() as book:
                due = [entry for entry in book.due(now) if self._only in (None, entry.proposal.stack)]
            return [self._take_back(entry, person) for entry in due]

    def hold_model_run(self, stack: str, person: str, usd: Decimal, limits: Mapping[str | None, Decimal]) -> int | None:
        """Reserve the maximum cost of a model run, unless that exceeds a limit for the last 24 hours.

        Args:
            limits: US dollars by person; the key None is the limit of all persons together.
        Returns: the number of the run for `settle_model_run`; None when the run may not start.
        """
        now = self._now()
        with self._ledger.open() as book:
            for whose, limit in limits.items():
                if book.model_cost(now - timedelta(days=1), stack, whose) + usd > limit:
                    return None
            return book.add_model_run(now, stack, person, usd)

    def settle_model_run(self, number: int, usd: Decimal) -> None:
        """Record the actual cost of a model run."""
        with self._ledger.open() as book:
            book.settle_model_run(number, usd)

    def find(self, proposal_id: str) -> Entry:
        """A proposal and its state."""
        with self._ledger.open() as book:
            return self._found(book, proposal_id)

    def history(self, stack: str, count: int = 20) -> list[dict[str, Any]]:
        """Who did what, newest first."""
        with self._ledger.open() as book:
            return [dict(line) for line in book.history(stack, count)]

    def settings(self, stack: str) -> Settings:
        """The stack as it will be when everything approved is applied."""
        with self._ledger.open() as book:
            return self._as_it_will_be(book, stack, book.time(self._ground.now()))

    def plan(self, stack: str) -> Plan:
        """What that stack costs."""
        settings = self.settings(stack)
        return self._ground.basis(settings).plan(settings)

    def _now(self) -> datetime:
        """Return the current time and record it in the ledger; it is never before an earlier recorded time."""
        return self._ledger.time(self._ground.now())

    def _found(self, book: Book, proposal_id: str) -> Entry:
        entry = book.find(proposal_id)
        checks.of_this_stack(entry, self._only)
        return entry

    def _as_it_will_be(self, book: Book, stack: str, now: datetime) -> Settings:
        settings = stack_file.read(self._ground.project, stack)
        for proposal in book.pending(stack, now):
            update = {name: getattr(proposal.after, name) for name in changed(proposal.before, proposal.after)}
            settings = settings.model_copy(update=update)
        return settings

    def _spend(self, proposal_id: str, token: str) -> Entry:
        now = self._now()
        with self._ledger.open() as book:
            entry = self._found(book, proposal_id)
            checks.untouched(book.wrong_line())
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

    def _carry_out(self, entry: Entry, person: str) -> Outcome:
        document = entry.proposal
        try:
            if isinstance(document, Job):
                outcome = run_job(self._ground, document)
            else:
                outcome = apply_change(self._ground, document)
        except Exception as error:
            state = "refused" if isinstance(error, RefusedError) else "failed"
            with self._ledger.open() as book:
                book.move(document.id, state)
                self._record(book, document, person, state, approver=entry.approver, error=str(error))
            raise
        with self._ledger.open() as book:
            book.move(document.id, outcome.status)
            self._record(book, document, person, outcome.status, approver=entry.approver, problems=outcome.problems)
        return outcome

    def _take_back(self, entry: Entry, person: str) -> Outcome:
        assert isinstance(entry.proposal, Proposal)  # nothing else has an end
        try:
            with self._ledger.open() as book:
                checks.untouched(book.wrong_line())
            checks.as_approved(entry)
            checks.not_ended(entry)
        except RefusedError as error:
            outcome = Outcome(entry.proposal.stack, entry.proposal.id, "not taken back", (str(error),), None, 3)
        else:
            outcome = take_back(self._ground, entry.proposal)
        with self._ledger.open() as book:
            if outcome.status != "not taken back":
                book.move(entry.proposal.id, "ended")
            self._record(
                book, entry.proposal, person, outcome.status, approver=entry.approver, problems=outcome.problems
            )
        return outcome

    def _record(self, book: Book, document: Document, person: str, event: str, **more: Any) -> None:
        book.record(self._ground.now(), document.stack, person, event, document.id, **document.told, **more)

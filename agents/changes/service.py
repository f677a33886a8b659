"""Plan, approve, apply and revert changes of stacks.

    request ──► propose ──► Proposal ──► approve (a person) ──► token ──► apply ──► stack file, deploy, check

The caller supplies only the new values. The current settings are read from the stack file, prices from the price list,
and the cost model makes the plan. All of this is done again when the change is applied.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from agents.changes import checks
from agents.changes.applying import Outcome, apply_change, apply_job, revert
from agents.changes.bounds import Bounds
from agents.changes.dependencies import Dependencies
from agents.changes.interrupted import close_interrupted
from agents.changes.jobs import Job, Work
from agents.changes.ledger import Document, Entry, Ledger, LedgerTransaction
from agents.changes.planning import plan_request
from agents.changes.proposal import LIFETIME, Proposal, changed_keys, with_values_of
from agents.changes.request import ScalingRequest
from agents.digests import hash_token
from infra import stack_file
from infra.cost import Plan
from infra.settings import Settings
from stack_runtime.errors import LockedError, RefusedError

APPROVAL_LIFETIME = timedelta(minutes=30)
"""How long an approval can be used."""


class ChangeService:
    """Plan, approve and apply changes of a project's stacks; agents have no other way to change them.

    Args:
        only: name of the only stack to serve; proposals and jobs of other stacks are not found. None serves all stacks.
    """

    def __init__(self, dependencies: Dependencies, only: str | None = None) -> None:
        self._dependencies = dependencies
        self._only = only
        self._ledger = Ledger(dependencies.project / ".fds")

    def propose(self, stack: str, request: ScalingRequest, person: str) -> Proposal:
        """Plan a request on top of the stack file and of all approved changes that are not applied yet.

        Returns: the proposal; a proposal with the decision `refuse` is not stored and cannot be approved.
        Raises:
            UsageError: the request changes nothing, or names something unknown, such as a service.
            RefusedError: the request is refused for a reason other than its cost, for example a smaller volume.
            UnknownError, UnreachableError: prices or rate are unavailable.
        """
        self._close_interrupted(stack)
        now = self._now()
        with self._ledger.transaction() as transaction:
            before, temporary = self._planned_settings(transaction, stack, now), transaction.temporary(stack, now)
        proposal = plan_request(before, self._dependencies.planning_inputs(before), request, person, now)
        checks.no_temporary_overlap(proposal, temporary)
        with self._ledger.transaction() as transaction:
            if proposal.decision != "refuse":
                transaction.add(proposal)
            self._record(transaction, proposal, person, f"planned: {proposal.decision}", digest=proposal.digest)
        return proposal

    def propose_job(self, stack: str, work: Work, person: str, call_id: str = "") -> Job:
        """Store a job that a person can approve. Nothing runs yet.

        Args:
            call_id: id of the language model's tool call that requested the job; empty if no model requested it.
        Raises:
            RefusedError: the tool call has already requested a job.
        """
        now, job_id = self._now(), secrets.token_hex(8)
        job = Job(
            id=job_id,
            stack=stack_file.read(self._dependencies.project, stack).stack,
            person=person,
            work=work,
            call_id=call_id or job_id,
            created=now,
            expires=now + LIFETIME,
        )
        with self._ledger.transaction() as transaction:
            transaction.add(job)
            self._record(transaction, job, person, "ordered", digest=job.digest)
        return job

    def approve(self, proposal_id: str, digest: str, person: str, within: Bounds | None = None) -> str:
        """Approve exactly the proposal or job that has this digest.

        Args:
            within: the bounds of `--yes`, if no person approves; a job cannot be approved in this way.
        Returns: a token that applies the proposal once within `APPROVAL_LIFETIME`; the ledger stores only a hash of it.
        Raises:
            OutOfBoundsError: the change is outside the bounds; nothing was approved.
            RefusedError: the digest differs, the proposal is too old or already decided, or the stack has changed.
        """
        token = f"fda_{secrets.token_urlsafe(32)}"  # without the prefix, it could begin with `-`, like an option
        now = self._now()
        with self._ledger.transaction() as transaction:
            entry = self._find(transaction, proposal_id)
            proposal = entry.document
            checks.history_intact(transaction.first_invalid_line())
            checks.undecided(entry)
            checks.proposal_not_expired(proposal, now)
            checks.digest_matches(digest, proposal)
            if isinstance(proposal, Proposal):
                checks.stack_unchanged(self._planned_settings(transaction, proposal.stack, now), proposal)
            if within:
                checks.covered_by_yes(within, proposal)
            transaction.approve(entry, hash_token(token), person, now, now + APPROVAL_LIFETIME)
            more = {"within": within.history_fields} if within else {}
            seal = transaction.find(proposal_id).seal
            self._record(transaction, proposal, person, "approved", digest=digest, seal=seal, **more)
        return token

    def approve_and_apply(self, proposal_id: str, digest: str, person: str, within: Bounds | None = None) -> Outcome:
        """Approve a proposal or job and apply it at once. Nothing is approved while another change is being applied.

        Raises:
            LockedError: another change is being applied or reverted, or a job runs; nothing was approved.
            StackError: see `approve` and `apply`.
        """
        with self._ledger.exclusive():
            token = self.approve(proposal_id, digest, person, within)
            return self._execute(self._use_approval(proposal_id, token), person)

    def refuse_while_busy(self) -> None:
        """Raise a LockedError while another change is being applied or reverted, or a job runs."""
        with self._ledger.exclusive():
            pass

    def apply(self, proposal_id: str, token: str, person: str) -> Outcome:
        """Apply an approved change, or run an approved job.

        A change is planned again at current prices. Then the stack file is written, the stack is deployed and checked,
        and the outcome is recorded. The attempt uses up the approval, even if it fails.

        Raises:
            RefusedError: the approval is invalid, or the change is no longer what was approved.
            StackError: the deployment failed; the stack file was restored.
        """
        with self._ledger.exclusive():
            entry = self._use_approval(proposal_id, token)
            return self._execute(entry, person)

    def expire(self, person: str = "scheduler") -> list[Outcome]:
        """Revert every temporary change that has ended. The approval of a change also covers reverting it.

        Returns: one outcome for each change. If a change cannot be reverted, its outcome has the reason, and the next
            call tries again.
        """
        with self._ledger.exclusive():
            now = self._now()
            with self._ledger.transaction() as transaction:
                for stack in {entry.document.stack for entry in self._due(transaction, now)}:
                    close_interrupted(transaction, self._dependencies.project, stack, now)
                due = self._due(transaction, now)
            return [self._revert(entry, person) for entry in due]

    def hold_model_run(self, stack: str, person: str, usd: Decimal, limits: Mapping[str | None, Decimal]) -> int | None:
        """Reserve `usd` for a language model run, if `usd` plus the cost of the last 24 hours is within all limits.

        Args:
            limits: highest cost of 24 hours in US dollars, by person; the key None has the limit of all persons
                together.
        Returns: the number of the run for `settle_model_run`; None if the run would exceed a limit.
        """
        now = self._now()
        with self._ledger.transaction() as transaction:
            for whose, limit in limits.items():
                if transaction.model_cost(now - timedelta(days=1), stack, whose) + usd > limit:
                    return None
            return transaction.add_model_run(now, stack, person, usd)

    def settle_model_run(self, number: int, usd: Decimal) -> None:
        """Replace the reserved cost of the language model run `number` by its actual cost."""
        with self._ledger.transaction() as transaction:
            transaction.settle_model_run(number, usd)

    def find(self, proposal_id: str) -> Entry:
        """Return a proposal or job and its state.

        Raises:
            UsageError: the id is unknown, or belongs to a stack other than `only`.
        """
        with self._ledger.transaction() as transaction:
            return self._find(transaction, proposal_id)

    def history(self, stack: str, count: int = 20) -> list[dict[str, Any]]:
        """Return the last `count` events of the stack, newest first."""
        with self._ledger.transaction() as transaction:
            return [dict(line) for line in transaction.history(stack, count)]

    def settings(self, stack: str) -> Settings:
        """Return the settings of the stack file, with all approved changes that are not applied yet."""
        with self._ledger.transaction() as transaction:
            return self._planned_settings(transaction, stack, transaction.monotonic(self._dependencies.now()))

    def plan(self, stack: str) -> Plan:
        """Return the plan of the stack, with all approved changes that are not applied yet."""
        settings = self.settings(stack)
        return self._dependencies.planning_inputs(settings).plan(settings)

    def _now(self) -> datetime:
        """Return the current time and record it in the ledger; it is never earlier than a recorded time."""
        return self._ledger.record_time(self._dependencies.now())

    def _find(self, transaction: LedgerTransaction, proposal_id: str) -> Entry:
        entry = transaction.find(proposal_id)
        checks.belongs_to_stack(entry, self._only)
        return entry

    def _due(self, transaction: LedgerTransaction, now: datetime) -> list[Entry]:
        return [entry for entry in transaction.due(now) if self._only in (None, entry.document.stack)]

    def _planned_settings(self, transaction: LedgerTransaction, stack: str, now: datetime) -> Settings:
        settings = stack_file.read(self._dependencies.project, stack)
        for proposal in transaction.pending(stack, now):
            keys = changed_keys(proposal.before, proposal.after)
            settings = with_values_of(settings, keys, proposal.after)
        return settings

    def _use_approval(self, proposal_id: str, token: str) -> Entry:
        now = self._now()
        with self._ledger.transaction() as transaction:
            entry = self._find(transaction, proposal_id)
            checks.history_intact(transaction.first_invalid_line())
            checks.token_matches(token, entry)
            checks.approval_unused(entry)
            checks.approval_not_expired(entry, now)
            checks.matches_approval(entry)
            close_interrupted(transaction, self._dependencies.project, entry.document.stack, now)
            transaction.set_state(proposal_id, "applying")
        return entry

    def _close_interrupted(self, stack: str) -> None:
        """Close changes and jobs of killed processes; do nothing while a change is being applied."""
        with self._ledger.transaction() as transaction:
            if not transaction.in_state("applying", stack):
                return  # without the lock, which another process may want now
        with suppress(LockedError), self._ledger.exclusive(), self._ledger.transaction() as transaction:
            close_interrupted(transaction, self._dependencies.project, stack, self._dependencies.now())

    def _execute(self, entry: Entry, person: str) -> Outcome:
        document = entry.document
        try:
            if isinstance(document, Job):
                outcome = apply_job(self._dependencies, document)
            else:
                outcome = apply_change(self._dependencies, document)
        except BaseException as error:
            state = "refused" if isinstance(error, RefusedError) else "failed"
            with self._ledger.transaction() as transaction:
                transaction.set_state(document.id, state)
                said = str(error) or type(error).__name__
                self._record(transaction, document, person, state, approver=entry.approver, error=said)
            raise
        with self._ledger.transaction() as transaction:
            transaction.set_state(document.id, outcome.status)
            more = {"approver": entry.approver, "problems": outcome.problems}
            self._record(transaction, document, person, outcome.status, **more)
        return outcome

    def _revert(self, entry: Entry, person: str) -> Outcome:
        assert isinstance(entry.document, Proposal)  # only temporary changes become due; a job has no end date
        try:
            with self._ledger.transaction() as transaction:
                checks.history_intact(transaction.first_invalid_line())
            checks.matches_approval(entry)
            checks.not_reverted(entry)
        except RefusedError as error:
            outcome = Outcome(entry.document.stack, entry.document.id, "not taken back", (str(error),), None, 3)
        else:
            outcome = revert(self._dependencies, entry.document)
        with self._ledger.transaction() as transaction:
            if outcome.status != "not taken back":
                transaction.set_state(entry.document.id, "ended")
            more = {"approver": entry.approver, "problems": outcome.problems}
            self._record(transaction, entry.document, person, outcome.status, **more)
        return outcome

    def _record(self, transaction: LedgerTransaction, document: Document, person: str, event: str, **more: Any) -> None:
        now = self._dependencies.now()
        transaction.record(now, document.stack, person, event, document.id, **document.history_fields, **more)

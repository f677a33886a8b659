"""Keep proposals, jobs, approvals and their history in one SQLite file that survives restarts.

Every use is one transaction that takes the write lock at its start. So if two callers approve or apply the same
proposal, only one of them succeeds.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from agents.changes.expiry import DUE
from agents.changes.history import History, format_time, parse_time, prepare
from agents.changes.jobs import Job
from agents.changes.proposal import Proposal
from stack_runtime.errors import LockedError, RefusedError, UsageError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS proposals (
    id TEXT PRIMARY KEY, stack TEXT NOT NULL, state TEXT NOT NULL, document TEXT NOT NULL, until TEXT,
    digest TEXT, token_hash TEXT UNIQUE, approver TEXT, approved_at TEXT, approval_expires TEXT, call_id TEXT UNIQUE);
CREATE TABLE IF NOT EXISTS model_runs (
    number INTEGER PRIMARY KEY, at TEXT NOT NULL, stack TEXT NOT NULL, person TEXT NOT NULL, usd TEXT NOT NULL);
"""

_PENDING = "(state = 'applying' OR (state = 'approved' AND approval_expires > ?))"
"""SQL condition: the proposal is being applied, or it has an approval that has not expired; `?` is the current time."""

Document = Proposal | Job
FILE_ADVICE = "find out who wrote into the file, then move it away"
_DOCUMENT: TypeAdapter[Document] = TypeAdapter(Document)


@dataclass(frozen=True)
class Entry:
    """A proposal or a job and its state.

    States: first `proposed`, `approved`, `applying`; then one of `applied`, `ran`, `failed`, `refused`, `interrupted`.
    `interrupted` means that the process was killed. If the stack file does not have the change, its state is `failed`.
    A temporary change becomes `ended` when it is reverted, or when all of its settings were changed again since.
    """

    document: Document
    state: str
    digest: str | None
    """The digest that was approved; None if nobody has approved the proposal."""
    token_hash: str | None
    approver: str | None
    approval_expires: datetime | None
    last_event: str
    """Name of the last event of the proposal in the history; empty if it has none."""
    approval_in_history: Mapping[str, Any] | None
    """Fields of the last event `approved` of the proposal in the history; None if there is no such event."""

    @property
    def seal(self) -> str:
        """Return the SHA-256 of the approval: proposal, approver, token and expiry."""
        return hashlib.sha256(
            json.dumps([self.digest, self.token_hash, self.approver, format_time(self.approval_expires)]).encode()
        ).hexdigest()

    @property
    def is_recorded(self) -> bool:
        """Return whether the history has exactly this approval.

        If the history recorded no `seal` with the approval, only the digests are compared.
        """
        recorded = self.approval_in_history
        if recorded is None:
            return False
        return recorded.get("digest") == self.digest and recorded.get("seal", self.seal) == self.seal


class LedgerTransaction(History):
    """Read and write the ledger inside one transaction."""

    def add(self, document: Document) -> None:
        """Store a new proposal or job.

        Raises:
            RefusedError: the language model's tool call that requested this job has already requested another job.
        """
        until, call = (None, document.call_id) if isinstance(document, Job) else (format_time(document.until), None)
        try:
            self._connection.execute(
                "INSERT INTO proposals (id, stack, state, document, until, call_id)"
                " VALUES (?, ?, 'proposed', ?, ?, ?)",
                (document.id, document.stack, document.model_dump_json(), until, call),
            )
        except sqlite3.IntegrityError:
            raise RefusedError("the same tool call was used before", next_command="ask again") from None

    def find(self, proposal_id: str) -> Entry:
        """Return the proposal or job with this id.

        Raises:
            UsageError: the id is unknown.
        """
        found = self._entries("id = ?", proposal_id) if proposal_id.isascii() else []
        if not found:
            raise unknown_proposal()
        return found[0]

    def pending(self, stack: str, now: datetime) -> list[Proposal]:
        """Return changes that are being applied or have an unexpired approval, in the order of approval."""
        found = (entry.document for entry in self._entries(f"stack = ? AND {_PENDING}", stack, format_time(now)))
        return [proposal for proposal in found if isinstance(proposal, Proposal)]

    def temporary(self, stack: str, now: datetime) -> list[Proposal]:
        """Return temporary changes that are in effect or may still be applied.

        They were applied or interrupted, are being applied, or have an unexpired approval.
        """
        where = f"stack = ? AND until IS NOT NULL AND (state IN ('applied', 'interrupted') OR {_PENDING})"
        found = (entry.document for entry in self._entries(where, stack, format_time(now)))
        return [proposal for proposal in found if isinstance(proposal, Proposal)]

    def in_state(self, state: str, stack: str) -> list[Entry]:
        """Return all proposals and jobs of one stack in one state."""
        return self._entries("state = ? AND stack = ?", state, stack)

    def due(self, now: datetime) -> list[Entry]:
        """Return temporary changes that have ended, including those interrupted by a killed process.

        The field `until` of the stored document decides; the column `until` only preselects the rows.
        """
        ends = ((entry, getattr(entry.document, "until", None)) for entry in self._entries(DUE, format_time(now)))
        return [entry for entry, until in ends if until and until <= now]

    def approve(self, entry: Entry, token_hash: str, person: str, now: datetime, expires: datetime) -> None:
        """Store an approval, bound to the current digest of the proposal."""
        self._connection.execute(
            "UPDATE proposals SET state = 'approved', digest = ?, token_hash = ?, approver = ?, approved_at = ?,"
            " approval_expires = ? WHERE id = ?",
            (entry.document.digest, token_hash, person, format_time(now), format_time(expires), entry.document.id),
        )

    def set_state(self, proposal_id: str, state: str) -> None:
        """Set the state of a proposal or job."""
        self._connection.execute("UPDATE proposals SET state = ? WHERE id = ?", (state, proposal_id))

    def model_cost(self, since: datetime, stack: str, person: str | None = None) -> Decimal:
        """Return the cost in US dollars of a stack's language model runs after `since`.

        Args:
            person: whose runs count; None counts all runs.
        """
        rows = self._connection.execute(
            "SELECT usd FROM model_runs WHERE at > ? AND stack = ? AND person = coalesce(?, person)",
            (format_time(since), stack, person),
        )
        return sum((Decimal(usd) for (usd,) in rows), Decimal(0))

    def add_model_run(self, at: datetime, stack: str, person: str, usd: Decimal) -> int:
        """Record a language model run and delete runs older than 31 days.

        Returns: the number of the run.
        """
        self._connection.execute("DELETE FROM model_runs WHERE at < ?", (format_time(at - timedelta(days=31)),))
        added = self._connection.execute(
            "INSERT INTO model_runs (at, stack, person, usd) VALUES (?, ?, ?, ?)",
            (format_time(at), stack, person, str(usd)),
        )
        assert added.lastrowid is not None
        return added.lastrowid

    def settle_model_run(self, number: int, usd: Decimal) -> None:
        """Replace the reserved cost of the language model run `number` by its actual cost."""
        self._connection.execute("UPDATE model_runs SET usd = ? WHERE number = ?", (str(usd), number))

    def _entries(self, where: str, *values: Any) -> list[Entry]:
        rows = self._connection.execute(
            "SELECT document, state, digest, token_hash, approver, approval_expires FROM proposals"
            f" WHERE {where} ORDER BY approved_at, id",
            values,
        )
        return [self._entry(*row) for row in rows.fetchall()]

    def _entry(self, text: str, state: str, digest: str | None, token_hash: str | None, approver: str | None,
               expires: str | None) -> Entry:  # fmt: skip
        try:
            document = _DOCUMENT.validate_json(text)
        except ValidationError:
            raise RefusedError(
                "the ledger contains an invalid proposal", where="agents.sqlite", next_command=FILE_ADVICE
            ) from None
        events = self.events_of(document.id)
        approvals = [fields for event, fields in events if event == "approved"]
        expiry = parse_time(expires) if expires else None
        last = events[-1][0] if events else ""
        return Entry(document, state, digest, token_hash, approver, expiry, last, approvals[-1] if approvals else None)


class Ledger:
    """The ledger: a database file and a lock file in `folder`; only the owner of the files can read them."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / "agents.sqlite"
        self._lock = folder / "agents.lock"
        os.close(os.open(self._file, os.O_CREAT | os.O_RDWR, 0o600))
        connection = sqlite3.connect(self._file, timeout=30)
        connection.executescript(_SCHEMA)
        prepare(connection)
        connection.close()

    @contextmanager
    def transaction(self) -> Iterator[LedgerTransaction]:
        """Open a transaction; it is rolled back when the block raises."""
        connection = sqlite3.connect(self._file, timeout=30, isolation_level=None)
        try:
            connection.execute("BEGIN IMMEDIATE")
            yield LedgerTransaction(connection)
            connection.execute("COMMIT")
        finally:
            connection.close()

    def record_time(self, now: datetime) -> datetime:
        """Record the time in a separate transaction, so that the record is kept if the caller fails later.

        Returns: the later of `now` and the latest recorded time.
        """
        with self.transaction() as transaction:
            return transaction.record_time(now)

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the lock for applying changes while the block runs; if the process is killed, the lock is released.

        Raises:
            LockedError: another change is being applied or reverted, or a job runs.
        """
        with os.fdopen(os.open(self._lock, os.O_RDWR | os.O_CREAT, 0o600), "r+") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise LockedError(
                    "another change is being applied or reverted, or a job runs",
                    next_command="try again when it has ended",
                ) from None
            yield


def unknown_proposal() -> UsageError:
    """Return the error for an unknown proposal."""
    return UsageError("there is no such proposal", next_command="ask for a plan first")

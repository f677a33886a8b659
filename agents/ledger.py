"""Keep proposals, jobs, approvals and their history in one SQLite file that survives restarts.

Every use is one transaction that takes the write lock at its start: when two callers approve or apply the same
proposal, only one succeeds.
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

from agents.due import DUE
from agents.history import History, moment_of, prepare, text_of
from agents.jobs import Job
from agents.proposal import Proposal
from stack_runtime.errors import LockedError, RefusedError, UsageError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS proposals (
    id TEXT PRIMARY KEY, stack TEXT NOT NULL, state TEXT NOT NULL, document TEXT NOT NULL, until TEXT,
    digest TEXT, token_hash TEXT UNIQUE, approver TEXT, approved_at TEXT, approval_expires TEXT, call_id TEXT UNIQUE);
CREATE TABLE IF NOT EXISTS model_runs (
    number INTEGER PRIMARY KEY, at TEXT NOT NULL, stack TEXT NOT NULL, person TEXT NOT NULL, usd TEXT NOT NULL);
"""


_PENDING = "(state = 'applying' OR (state = 'approved' AND approval_expires > ?))"
"""Approved and not made yet; the `?` is the time."""

Document = Proposal | Job
_LOOK = "find out who wrote into the file, then move it away"
_DOCUMENT: TypeAdapter[Document] = TypeAdapter(Document)


@dataclass(frozen=True)
class Entry:
    """A proposal or a job and how far it came: `proposed`, `approved`, `applying`, then `applied`, `ran`, `failed`,
    `refused`, `interrupted`, or `ended` for a temporary change that went back."""

    proposal: Document
    state: str
    digest: str | None
    """The digest that was approved."""
    token_hash: str | None
    approver: str | None
    approval_expires: datetime | None
    last_event: str
    """Last event of the proposal in the history."""
    approval_in_history: Mapping[str, Any] | None
    """Document of the approval event in the history."""

    @property
    def seal(self) -> str:
        """Return the SHA-256 of the approval: proposal, approver, token and expiry."""
        return hashlib.sha256(
            json.dumps([self.digest, self.token_hash, self.approver, text_of(self.approval_expires)]).encode()
        ).hexdigest()

    @property
    def recorded(self) -> bool:
        """Return whether the history has this exact approval; approvals older than seals are compared by digest."""
        told = self.approval_in_history
        return told is not None and told.get("digest") == self.digest and told.get("seal", self.seal) == self.seal


class Book(History):
    """The ledger inside one transaction."""

    def add(self, document: Document) -> None:
        """Keep a new proposal or job.

        Raises:
            RefusedError: the call of a model that asked for it has been here before.
        """
        until, call = (None, document.call_id) if isinstance(document, Job) else (text_of(document.until), None)
        try:
            self._connection.execute(
                "INSERT INTO proposals (id, stack, state, document, until, call_id)"
                " VALUES (?, ?, 'proposed', ?, ?, ?)",
                (document.id, document.stack, document.model_dump_json(), until, call),
            )
        except sqlite3.IntegrityError:
            raise RefusedError("the same call has been made before", next_command="ask again") from None

    def find(self, proposal_id: str) -> Entry:
        """The proposal of that name.

        Raises:
            UsageError: there is none.
        """
        found = self._entries("id = ?", proposal_id) if proposal_id.isascii() else []
        if not found:
            raise no_such_proposal()
        return found[0]

    def pending(self, stack: str, now: datetime) -> list[Proposal]:
        """What is approved and not applied yet, in the order of approval; lapsed approvals do not count."""
        found = (entry.proposal for entry in self._entries(f"stack = ? AND {_PENDING}", stack, text_of(now)))
        return [proposal for proposal in found if isinstance(proposal, Proposal)]

    def temporary(self, stack: str, now: datetime) -> list[Proposal]:
        """Temporary changes that are approved or made, and have not gone back."""
        where = f"stack = ? AND until IS NOT NULL AND (state IN ('applied', 'interrupted') OR {_PENDING})"
        found = (entry.proposal for entry in self._entries(where, stack, text_of(now)))
        return [proposal for proposal in found if isinstance(proposal, Proposal)]

    def in_state(self, state: str, stack: str) -> list[Entry]:
        """All proposals of one stack in one state."""
        return self._entries("state = ? AND stack = ?", state, stack)

    def due(self, now: datetime) -> list[Entry]:
        """Return temporary changes that have ended, including those interrupted by a killed process.

        The end in the proposal decides; the column `until` only narrows the query.
        """
        ends = ((entry, getattr(entry.proposal, "until", None)) for entry in self._entries(DUE, text_of(now)))
        return [entry for entry, until in ends if until and until <= now]

    def approve(self, entry: Entry, token_hash: str, person: str, now: datetime, expires: datetime) -> None:
        """Bind an approval to the proposal as it is."""
        self._connection.execute(
            "UPDATE proposals SET state = 'approved', digest = ?, token_hash = ?, approver = ?, approved_at = ?,"
            " approval_expires = ? WHERE id = ?",
            (entry.proposal.digest, token_hash, person, text_of(now), text_of(expires), entry.proposal.id),
        )

    def move(self, proposal_id: str, state: str) -> None:
        """Set the state of a proposal."""
        self._connection.execute("UPDATE proposals SET state = ? WHERE id = ?", (state, proposal_id))

    def model_cost(self, since: datetime, stack: str, person: str | None = None) -> Decimal:
        """Return the cost in US dollars of model runs since then, of the stack or of one person in it."""
        rows = self._connection.execute(
            "SELECT usd FROM model_runs WHERE at > ? AND stack = ? AND person = coalesce(?, person)",
            (text_of(since), stack, person),
        )
        return sum((Decimal(usd) for (usd,) in rows), Decimal(0))

    def add_model_run(self, at: datetime, stack: str, person: str, usd: Decimal) -> int:
        """Record a model run and delete runs older than 31 days.

        Returns: the number of the run.
        """
        self._connection.execute("DELETE FROM model_runs WHERE at < ?", (text_of(at - timedelta(days=31)),))
        added = self._connection.execute(
            "INSERT INTO model_runs (at, stack, person, usd) VALUES (?, ?, ?, ?)",
            (text_of(at), stack, person, str(usd)),
        )
        assert added.lastrowid is not None
        return added.lastrowid

    def settle_model_run(self, number: int, usd: Decimal) -> None:
        """Record the actual cost of a model run."""
        self._connection.execute("UPDATE model_runs SET usd = ? WHERE number = ?", (str(usd), number))

    def _entries(self, where: str, *values: Any) -> list[Entry]:
        rows = self._connection.execute(
            "SELECT document, state, digest, token_hash, approver, approval_expires FROM proposals"
            f" WHERE {where} ORDER BY approved_at, id",
            values,
        )
        return [self._entry(*row) for row in rows.fetchall()]

    def _entry(self, document: str, state: str, digest: str | None, token_hash: str | None, approver: str | None,
               expires: str | None) -> Entry:  # fmt: skip
        try:
            proposal = _DOCUMENT.validate_json(document)
        except ValidationError:
            raise RefusedError(
                "the ledger holds an invalid proposal", where="agents.sqlite", next_command=_LOOK
            ) from None
        events = self.told_of(proposal.id)
        approvals = [told for event, told in events if event == "approved"]
        lapses = moment_of(expires) if expires else None
        last = events[-1][0] if events else ""
        return Entry(proposal, state, digest, token_hash, approver, lapses, last, approvals[-1] if approvals else None)


class Ledger:
    """The file `agents.sqlite` in `folder`, for its owner alone, and the lock beside it."""

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
    def open(self) -> Iterator[Book]:
        """One transaction; it is undone when the block raises."""
        connection = sqlite3.connect(self._file, timeout=30, isolation_level=None)
        try:
            connection.execute("BEGIN IMMEDIATE")
            yield Book(connection)
            connection.execute("COMMIT")
        finally:
            connection.close()

    def time(self, now: datetime) -> datetime:
        """Record the time in a transaction of its own, which stays if the caller fails later.

        Returns: the later of `now` and the latest recorded time.
        """
        with self.open() as book:
            return book.tick(now)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Only one change is applied at a time; the lock goes with the process that holds it.

        Raises:
            LockedError: another change is being applied.
        """
        with os.fdopen(os.open(self._lock, os.O_RDWR | os.O_CREAT, 0o600), "r+") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise LockedError("another change is being applied", next_command="wait for it") from None
            yield


def no_such_proposal() -> UsageError:
    """Return the error for an unknown proposal."""
    return UsageError("there is no such proposal", next_command="ask for a plan first")

"""The ledger: proposals, jobs, approvals and their history, in one SQLite file that survives restarts.

Every use of it is one transaction that holds the write lock from the start, so that of two who approve or apply
the same proposal one wins. History can only be added to; the database itself refuses anything else.
"""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from agents.due import DUE
from agents.jobs import Job
from agents.proposal import Proposal
from stack_runtime.errors import LockedError, RefusedError, UsageError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS proposals (
    id TEXT PRIMARY KEY, stack TEXT NOT NULL, state TEXT NOT NULL, document TEXT NOT NULL, until TEXT,
    digest TEXT, token_hash TEXT UNIQUE, approver TEXT, approved_at TEXT, approval_expires TEXT, call_id TEXT UNIQUE);
CREATE TABLE IF NOT EXISTS history (
    number INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, stack TEXT NOT NULL, person TEXT NOT NULL,
    event TEXT NOT NULL, proposal TEXT NOT NULL, document TEXT NOT NULL);
CREATE TRIGGER IF NOT EXISTS history_stays BEFORE UPDATE ON history
    BEGIN SELECT RAISE(ABORT, 'history is only added to'); END;
CREATE TRIGGER IF NOT EXISTS history_is_kept BEFORE DELETE ON history
    BEGIN SELECT RAISE(ABORT, 'history is only added to'); END;
"""


_PENDING = "(state = 'applying' OR (state = 'approved' AND approval_expires > ?))"
"""Approved and not made yet; the `?` is the time."""

Document = Proposal | Job
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


class Book:
    """The ledger inside one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def add(self, document: Document) -> None:
        """Keep a new proposal or job.

        Raises:
            RefusedError: the call of a model that asked for it has been here before.
        """
        until, call = (None, document.call_id) if isinstance(document, Job) else (_text(document.until), None)
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
        found = self._entries("id = ?", proposal_id)
        if not found:
            raise UsageError("there is no such proposal", next_command="ask for a plan first")
        return found[0]

    def pending(self, stack: str, now: datetime) -> list[Proposal]:
        """What is approved and not applied yet, in the order of approval; lapsed approvals do not count."""
        found = (entry.proposal for entry in self._entries(f"stack = ? AND {_PENDING}", stack, _text(now)))
        return [proposal for proposal in found if isinstance(proposal, Proposal)]

    def temporary(self, stack: str, now: datetime) -> list[Proposal]:
        """Temporary changes that are approved or made, and have not gone back."""
        where = f"stack = ? AND until IS NOT NULL AND (state IN ('applied', 'interrupted') OR {_PENDING})"
        found = (entry.proposal for entry in self._entries(where, stack, _text(now)))
        return [proposal for proposal in found if isinstance(proposal, Proposal)]

    def in_state(self, state: str, stack: str) -> list[Entry]:
        """All proposals of one stack in one state."""
        return self._entries("state = ? AND stack = ?", state, stack)

    def due(self, now: datetime) -> list[Entry]:
        """Temporary changes whose time is over, with those of which a killed process left open what became of them."""
        return self._entries(DUE, _text(now))

    def approve(self, entry: Entry, token_hash: str, person: str, now: datetime, expires: datetime) -> None:
        """Bind an approval to the proposal as it is."""
        self._connection.execute(
            "UPDATE proposals SET state = 'approved', digest = ?, token_hash = ?, approver = ?, approved_at = ?,"
            " approval_expires = ? WHERE id = ?",
            (entry.proposal.digest, token_hash, person, _text(now), _text(expires), entry.proposal.id),
        )

    def move(self, proposal_id: str, state: str) -> None:
        """Set the state of a proposal."""
        self._connection.execute("UPDATE proposals SET state = ? WHERE id = ?", (state, proposal_id))

    def record(self, at: datetime, stack: str, person: str, event: str, proposal: str, **more: Any) -> None:
        """Add a line of history."""
        self._connection.execute(
            "INSERT INTO history (at, stack, person, event, proposal, document) VALUES (?, ?, ?, ?, ?, ?)",
            (_text(at), stack, person, event, proposal, json.dumps(more, default=str)),
        )

    def history(self, stack: str, count: int) -> list[Mapping[str, Any]]:
        """The last `count` lines of history, newest first."""
        rows = self._connection.execute(
            "SELECT at, person, event, proposal, document FROM history WHERE stack = ? ORDER BY number DESC LIMIT ?",
            (stack, count),
        )
        return [
            {"at": at, "person": person, "event": event, "proposal": proposal, **json.loads(document)}
            for at, person, event, proposal, document in rows
        ]

    def _entries(self, where: str, *values: Any) -> list[Entry]:
        rows = self._connection.execute(
            "SELECT document, state, digest, token_hash, approver, approval_expires FROM proposals"
            f" WHERE {where} ORDER BY approved_at, id",
            values,
        )
        return [_entry(*row) for row in rows.fetchall()]


class Ledger:
    """The file `agents.sqlite` in `folder`, for its owner alone, and the lock beside it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / "agents.sqlite"
        self._lock = folder / "agents.lock"
        os.close(os.open(self._file, os.O_CREAT | os.O_RDWR, 0o600))
        connection = sqlite3.connect(self._file, timeout=30)
        connection.executescript(_SCHEMA)
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


def _entry(
    document: str, state: str, digest: str | None, token_hash: str | None, approver: str | None, expires: str | None
) -> Entry:
    lapses = datetime.fromisoformat(expires) if expires else None
    return Entry(_DOCUMENT.validate_json(document), state, digest, token_hash, approver, lapses)


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="microseconds") if moment else None

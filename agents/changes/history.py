"""Keep the history in the ledger: who did what and when. It is append-only, and its timestamps never decrease.

Triggers reject every write except an appended line. Each line also stores a hash of its content and of the previous
hash, so a change that bypasses the triggers is detected. A change is not detected if somebody with write access to the
file recomputes or clears all hashes.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from stack_runtime.errors import RefusedError

SCHEMA = """
CREATE TABLE IF NOT EXISTS history (
    number INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, stack TEXT NOT NULL, person TEXT NOT NULL,
    event TEXT NOT NULL, proposal TEXT NOT NULL, document TEXT NOT NULL, hash TEXT);
CREATE TABLE IF NOT EXISTS clock (one INTEGER PRIMARY KEY CHECK (one = 1), at TEXT NOT NULL);
"""
TRIGGERS = """
CREATE TRIGGER IF NOT EXISTS history_stays BEFORE UPDATE ON history
    BEGIN SELECT RAISE(ABORT, 'history is append-only'); END;
CREATE TRIGGER IF NOT EXISTS history_is_kept BEFORE DELETE ON history
    BEGIN SELECT RAISE(ABORT, 'history is append-only'); END;
CREATE TRIGGER IF NOT EXISTS history_is_not_replaced BEFORE INSERT ON history
    WHEN EXISTS (SELECT 1 FROM history WHERE number = NEW.number)
    BEGIN SELECT RAISE(ABORT, 'history is append-only'); END;
CREATE TRIGGER IF NOT EXISTS history_has_no_gaps AFTER INSERT ON history
    WHEN NEW.number != (SELECT count(*) FROM history)
    BEGIN SELECT RAISE(ABORT, 'history is append-only'); END;
"""


def prepare(connection: sqlite3.Connection) -> None:
    """Create missing tables and triggers, and add the hash column to a history from an older version."""
    connection.executescript(SCHEMA + TRIGGERS)
    if "hash" not in {row[1] for row in connection.execute("PRAGMA table_info(history)")}:
        connection.execute("ALTER TABLE history ADD COLUMN hash TEXT")


class History:
    """Read and extend the history inside one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def record(self, at: datetime, stack: str, person: str, event: str, proposal: str, **more: Any) -> None:
        """Append a line with the JSON document `more`.

        The time of the line is the later of `at` and the latest recorded time.
        """
        values = (format_time(self.monotonic(at)), stack, person, event, proposal, json.dumps(more, default=str))
        last = self._connection.execute("SELECT hash FROM history ORDER BY number DESC LIMIT 1").fetchone()
        link = _hash_line(last[0] if last and last[0] else self._verify()[0], values)
        self._connection.execute(
            "INSERT INTO history (at, stack, person, event, proposal, document, hash) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (*values, link),
        )

    def history(self, stack: str, count: int) -> list[Mapping[str, Any]]:
        """Return the last `count` lines of a stack, newest first.

        If a line of any stack was changed or is missing, an additional first entry reports this.
        """
        rows = self._connection.execute(
            "SELECT at, person, event, proposal, document FROM history WHERE stack = ? ORDER BY number DESC LIMIT ?",
            (stack, count),
        )
        invalid = self.first_invalid_line()
        report = f"tampered with: line {invalid} is not what was recorded"
        return [
            *([] if invalid is None else [{"at": "", "person": "", "event": report, "proposal": ""}]),
            *(
                {"at": at, "person": person, "event": event, "proposal": proposal, **_json(document)}
                for at, person, event, proposal, document in rows
            ),
        ]

    def first_invalid_line(self) -> int | None:
        """Return the number of the first line that was changed or is missing; None when all are intact."""
        return self._verify()[1]

    def monotonic(self, now: datetime) -> datetime:
        """Return the later of `now` and the latest recorded time.

        Therefore, an expired approval stays expired even if somebody sets back the clock.
        """
        (latest,) = self._connection.execute(
            "SELECT max(at) FROM (SELECT at FROM clock UNION ALL SELECT at FROM history)"
        ).fetchone()
        return max(now, parse_time(latest)) if latest else now

    def record_time(self, now: datetime) -> datetime:
        """Record the time that `monotonic` returns for `now`.

        Returns: the recorded time.
        """
        at = self.monotonic(now)
        self._connection.execute("INSERT OR REPLACE INTO clock (one, at) VALUES (1, ?)", (format_time(at),))
        return at

    def events_of(self, proposal_id: str) -> list[tuple[str, dict[str, Any]]]:
        """Return every event of one proposal with its document, oldest first."""
        lines = self._connection.execute(
            "SELECT event, document FROM history WHERE proposal = ? ORDER BY number", (proposal_id,)
        )
        return [(event, _json(document)) for event, document in lines]

    def _verify(self) -> tuple[str, int | None]:
        """Verify the hashes of the whole history.

        An older version wrote lines without a hash. The first hash that was stored also covers these lines.

        Returns: the hash of the last line, and the result of `first_invalid_line`.
        """
        link, invalid, hashed, count = "", None, False, 0
        for number, stored, *values in self._connection.execute(
            "SELECT number, hash, at, stack, person, event, proposal, document FROM history ORDER BY number"
        ):
            link, count = _hash_line(link, values), count + 1
            hashed = hashed or stored is not None
            if invalid is None and (number != count or (hashed and stored != link)):
                invalid = count
        (highest,) = self._connection.execute(
            "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'history'"
        ).fetchone()
        return link, count + 1 if invalid is None and highest != count else invalid


def _hash_line(previous: str, values: Sequence[Any]) -> str:
    """Return the hash of a line: it covers the content of the line and the hash of the previous line."""
    return hashlib.sha256(json.dumps([previous, *values], default=repr).encode()).hexdigest()


def _json(document: str) -> dict[str, Any]:
    """Parse the document of a line; return an empty dictionary if the document is not a JSON object."""
    try:
        return dict(json.loads(document))
    except (ValueError, TypeError):
        return {}


def parse_time(text: str) -> datetime:
    """Parse a timestamp that `format_time` wrote.

    Raises:
        RefusedError: `text` is not a time in ISO format.
    """
    try:
        return datetime.fromisoformat(text)
    except (ValueError, TypeError):
        raise RefusedError(
            "the ledger contains an invalid time", where="agents.sqlite", next_command="find out who wrote into it"
        ) from None


def format_time(time: datetime | None) -> str | None:
    """Format a UTC time as text, so that texts sort in the order of their times; return None for None."""
    return time.isoformat(timespec="microseconds") if time else None

"""Temporary changes whose time is over, found without loading anything: every verb of `fds` asks."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path

DUE = "state IN ('applied', 'applying', 'interrupted') AND until <= ?"
"""Which rows of the ledger's `proposals` those are; its `?` is the time in UTC as ISO 8601 with microseconds."""


def overdue(folder: Path, now: datetime) -> list[tuple[str, str, str]]:
    """`(proposal, stack, end)` of what should have been taken back by `now`; `folder` is the project's `.fds`."""
    file = folder / "agents.sqlite"
    if not file.is_file():
        return []
    try:
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, timeout=1)) as connection:
            found = connection.execute(
                f"SELECT id, stack, until FROM proposals WHERE {DUE} ORDER BY until",
                (now.isoformat(timespec="microseconds"),),
            )
            return found.fetchall()
    except sqlite3.Error:
        return []  # what is wrong with the ledger is told by those who need it

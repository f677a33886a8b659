"""Two runs never meet: a lock on the pipeline's folder, and one in PostgreSQL where there is a server.

Both vanish with the process that holds them, however it dies, so a dead holder never blocks.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from stack_runtime.errors import LockedError
from stack_runtime.pipeline.postgres_config import PostgresConfig

ADVISORY_KEY = 0x66647372
"""The number of the lock in PostgreSQL: "fdsr", so that nothing else uses it by chance."""

_HOLDER = """
SELECT application_name, to_char(backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE locktype = 'advisory' AND objid = %s AND granted
"""


@contextmanager
def run_lock(file: Path, run_id: str, server: PostgresConfig | None) -> Iterator[None]:
    """Hold the pipeline for `run_id`.

    Raises:
        LockedError: another run holds it; the message says which, and since when.
    """
    with _file_lock(file, run_id):
        if server is None:
            yield
        else:
            with _advisory_lock(server, run_id):
                yield


def is_held(file: Path) -> bool:
    """Whether a living run holds the lock on this machine."""
    try:
        with file.open("r+") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


@contextmanager
def _file_lock(file: Path, run_id: str) -> Iterator[None]:
    # Opened without truncation: the text belongs to the holder until the lock is ours.
    with os.fdopen(os.open(file, os.O_RDWR | os.O_CREAT, 0o600), "r+") as handle:
        if not _taken(handle.fileno()):
            raise refusal(_holder(handle.read(4096)), str(file))
        handle.truncate(0)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        handle.write(json.dumps({"run_id": run_id, "pid": os.getpid(), "since": now}))
        handle.flush()
        yield


def _taken(descriptor: int) -> bool:
    """Whether the lock is ours now. Tried again for 0.2 s, since `is_held` takes it for an instant."""
    for _ in range(10):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            time.sleep(0.02)
    return False


def _holder(text: str) -> str:
    try:
        found = json.loads(text)
        return f"run {found['run_id']} (process {found['pid']}) since {found['since']}"
    except (ValueError, KeyError, TypeError):
        return "a run that has just begun"


@contextmanager
def _advisory_lock(server: PostgresConfig, run_id: str) -> Iterator[None]:
    with server.connect(f"fds run {run_id}", autocommit=True) as connection:
        row = connection.execute("SELECT pg_try_advisory_lock(%s)", (ADVISORY_KEY,)).fetchone()
        if row is None or not row[0]:
            holder = connection.execute(_HOLDER, (ADVISORY_KEY,)).fetchone()
            who = f"{holder[0].removeprefix('fds ')} since {holder[1]}" if holder else "a run that has just ended"
            raise refusal(who, f"PostgreSQL at {server.host}")
        yield


def refusal(holder: str, where: str) -> LockedError:
    """Return the error that says who holds the pipeline."""
    return LockedError(f"the pipeline is held by {holder}", where=where, next_command="wait for it, or see fds status")

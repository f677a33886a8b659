"""Prevent concurrent runs with a file lock and, if the pipeline uses PostgreSQL, with an advisory lock in PostgreSQL.

The operating system and PostgreSQL release these locks when the process of the run ends, even if it is killed.
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
"""Key of the advisory lock in PostgreSQL: the bytes of "fdsr", which other programs are unlikely to use."""

_HOLDER = """
SELECT application_name, to_char(backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE locktype = 'advisory' AND objid = %s AND granted
"""


@contextmanager
def run_lock(file: Path, run_id: str, server: PostgresConfig | None) -> Iterator[None]:
    """Hold the pipeline's locks for `run_id` while the block runs.

    Raises:
        LockedError: another run holds a lock; the message has the id and the start time of that run if they are known.
    """
    with _file_lock(file, run_id):
        if server is None:
            yield
        else:
            with _advisory_lock(server, run_id):
                yield


def is_held(file: Path) -> bool:
    """Return whether a running process on this machine holds the lock on `file`."""
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
    # Open the file without truncation, because another run may hold the lock, and the text in the file describes that
    # run.
    with os.fdopen(os.open(file, os.O_RDWR | os.O_CREAT, 0o600), "r+") as handle:
        if not _try_lock(handle.fileno()):
            raise refusal(_holder(handle.read(4096)), str(file))
        handle.truncate(0)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        handle.write(json.dumps({"run_id": run_id, "pid": os.getpid(), "since": now}))
        handle.flush()
        yield


def _try_lock(descriptor: int) -> bool:
    """Try for 0.2 s to take the lock, because `is_held` also takes the lock for a moment.

    Returns: whether the lock was taken.
    """
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
        return "a run that has just started"


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
    """Return the error for a run that cannot start because another run, described by `holder`, is active."""
    return LockedError(f"the pipeline is held by {holder}", where=where, next_command="wait for it, or see fds status")

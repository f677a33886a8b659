"""Recognize errors that mean a full disk or a file that this user may not read or write."""

from __future__ import annotations

import errno

from stack_runtime.errors import StackError
from stack_runtime.text import shortened

_FULL = (errno.ENOSPC, errno.EDQUOT)
_DENIED = (errno.EROFS, errno.EACCES, errno.EPERM)
_OF_SQLITE = ("full", "readonly", "unable to open", "disk I/O")
"""Words in messages of SQLite that mean a full disk or missing write access."""


def unwritable(error: BaseException) -> StackError | None:
    """Return the error for the user if `error` means a full disk or missing access to a file; otherwise None."""
    import sqlite3  # imported late, because only a failure needs it

    if isinstance(error, sqlite3.OperationalError) and any(words in str(error) for words in _OF_SQLITE):
        return _error(f"the history of changes cannot be written: {shortened(error)}", ".fds/agents.sqlite")
    if not isinstance(error, OSError) or error.errno not in (*_FULL, *_DENIED):
        return None
    what = "a disk is full" if error.errno in _FULL else "a file cannot be read or written"
    return _error(f"{what}: {shortened(error.strerror)}", shortened(error.filename or ""))


def _error(what: str, where: str) -> StackError:
    advice = "free disk space or give yourself write access, then run the same command again"
    return StackError(what, where=where, next_command=advice)

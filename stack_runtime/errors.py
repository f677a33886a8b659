"""The one family of errors that a user may see.

Every error says what happened, where, and the next command to run, in one sentence; its class fixes the
exit code of the command line:

    StackError (1)
    ├── UsageError (2)        usage or invalid settings
    ├── RefusedError (3)      over budget, does not fit, or belongs to another stack
    ├── UnknownError (4)      a price, a rate or a capacity is unknown or too old: nothing was decided
    ├── UnreachableError (5)  engine, Docker, host or API is missing or does not answer
    ├── CheckFailedError (6)  a data check failed, nothing was published
    └── LockedError (7)       another deployment or run holds the lock
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_ANY_STACK = re.compile(r"\bfds (?!expire\b)[a-z]+\b(?![^,;&]*--stack)")
"""A command that could name a stack and does not; `fds expire` is for all of them."""


class StackError(Exception):
    """Base of all expected failures.

    Args:
        what: what happened, without a full stop.
        where: file, host, setting or step it happened in; empty when `what` already says it.
        next_command: the command, or the short advice, that leads on.
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str = "", next_command: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.next_command = next_command

    def name_stack(self, stack: str) -> None:
        """Name `stack` in the next command, where it names none: what failed need not know for which stack it was."""
        if stack != "dev":  # which is meant where none is named
            self.next_command = _ANY_STACK.sub(lambda command: f"{command[0]} --stack {stack}", self.next_command)

    def __str__(self) -> str:
        place = f" ({self.where})" if self.where else ""
        follow = f"; next: {self.next_command}" if self.next_command else ""
        return f"{self.what}{place}{follow}"

    def as_json(self) -> dict[str, object]:
        """The same error for programs: `{error, where, next, exit_code}`."""
        return {"error": self.what, "where": self.where, "next": self.next_command, "exit_code": self.exit_code}

    @staticmethod
    def from_json(document: Mapping[str, object]) -> StackError:
        """Return the error that another process wrote with `as_json`.

        Raises:
            KeyError: it is not such a document.
        """
        what, where, advice = (str(document[key]) for key in ("error", "where", "next"))
        error, code = StackError(what, where=where, next_command=advice), document["exit_code"]
        error.exit_code = code if isinstance(code, int) else StackError.exit_code
        return error


class UsageError(StackError):
    """Usage or invalid settings."""

    exit_code = 2


class RefusedError(StackError):
    """Over budget, the services do not fit the server, or another stack owns the resources."""

    exit_code = 3


class UnknownError(StackError):
    """A price, rate or capacity is unknown or too old, so nothing was decided."""

    exit_code = 4


class UnreachableError(StackError):
    """Something needed is missing or does not answer (engine, Docker, host, API)."""

    exit_code = 5


class CheckFailedError(StackError):
    """A data check failed; nothing was published."""

    exit_code = 6


class LockedError(StackError):
    """Another deployment or run holds the lock."""

    exit_code = 7

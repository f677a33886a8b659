"""Define the classes of the errors that a user may see; other modules derive more specific ones.

The message of every error is one sentence: what happened, where, and which command to run next. The class of the error
sets the exit code of the command line:

    StackError (1)
    ├── UsageError (2)        the command line or a setting is invalid
    ├── RefusedError (3)      the plan is over budget or does not fit the server, or another stack owns the resources
    ├── UnknownError (4)      a price, a rate or a capacity is unknown or too old, so nothing was decided
    ├── UnreachableError (5)  the Pulumi engine, Docker, a host or an API is missing or does not answer
    ├── CheckFailedError (6)  a data check failed, a run waits for approval, or a file was refused
    └── LockedError (7)       another deployment or run holds the lock
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_ANY_STACK = re.compile(r"\bfds (?!expire\b)[a-z]+\b(?![^,;&]*--stack)")
"""Pattern of an `fds` command without `--stack`, except `fds expire`, which is meant for all stacks."""


class StackError(Exception):
    """Base class of all expected failures.

    Args:
        what: what happened, without a full stop.
        where: file, host, setting or step in which it happened; empty if `what` already names it.
        next_command: the command to run next, or short advice.
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str = "", next_command: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.next_command = next_command

    def name_stack(self, stack: str) -> None:
        """Add `--stack` to the `fds` commands in `next_command` that need it and lack it.

        The code that raises the error often does not have the name of the stack.
        """
        if stack != "dev":  # the default of --stack
            self.next_command = _ANY_STACK.sub(lambda command: f"{command[0]} --stack {stack}", self.next_command)

    @property
    def statement(self) -> str:
        """What happened and where, without the next command."""
        return f"{self.what} ({self.where})" if self.where else self.what

    def __str__(self) -> str:
        return f"{self.statement}; next: {self.next_command}" if self.next_command else self.statement

    def as_json(self) -> dict[str, object]:
        """Return the error for programs: `{error, where, next, exit_code}`."""
        return {"error": self.what, "where": self.where, "next": self.next_command, "exit_code": self.exit_code}

    @staticmethod
    def from_json(document: Mapping[str, object]) -> StackError:
        """Return the error that another process wrote with `as_json`.

        Raises:
            KeyError: a key that `as_json` writes is missing.
        """
        what, where, advice = (str(document[key]) for key in ("error", "where", "next"))
        error, code = StackError(what, where=where, next_command=advice), document["exit_code"]
        error.exit_code = code if isinstance(code, int) else StackError.exit_code
        return error


class UsageError(StackError):
    """The command line or a setting is invalid."""

    exit_code = 2


class RefusedError(StackError):
    """The plan is over budget, the services do not fit the server, or another stack owns the resources."""

    exit_code = 3


class UnknownError(StackError):
    """A price, rate or capacity is unknown or too old, so nothing was decided."""

    exit_code = 4


class UnreachableError(StackError):
    """The Pulumi engine, Docker, a host or an API is missing or does not answer."""

    exit_code = 5


class HostKeyError(UnreachableError):
    """The host key of a server differs from the pinned host key, or no host key is pinned yet."""


class CheckFailedError(StackError):
    """A data check failed, a run waits for approval, or a file was refused."""

    exit_code = 6


class LockedError(StackError):
    """Another deployment or run holds the lock."""

    exit_code = 7

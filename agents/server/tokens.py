"""Manage the bearer tokens of the HTTP server. A token has scopes, expires, is shown once and stored as a hash."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal, get_args

from agents.digests import hash_token
from stack_runtime.errors import UsageError
from stack_runtime.files import write_atomically
from stack_runtime.text import printable, require_visible

Scope = Literal["read", "propose", "approve"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
MOST_DAYS = 36_500
_USAGE = "python -m agents token NAME read propose"


@dataclass(frozen=True)
class Bearer:
    """The holder of a token: name, scopes, and when the token expires."""

    name: str
    scopes: frozenset[str]
    expires: datetime


class Tokens:
    """The tokens of a project, stored in `agents-tokens.json` in `folder`; only the file's owner can read this file."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "agents-tokens.json"
        self._latest = datetime.min.replace(tzinfo=UTC)

    def create(self, name: str, scopes: Iterable[str], days: int, now: datetime) -> str:
        """Create a token and store its hash.

        Returns: the token, which is not stored.
        Raises:
            UsageError: a scope is unknown, the name is not one visible line, or `days` is not from 1 to `MOST_DAYS`.
        """
        token = f"fds_{secrets.token_urlsafe(32)}"
        self.add(token, name, scopes, days, now)
        return token

    def add(self, token: str, name: str, scopes: Iterable[str], days: int, now: datetime) -> None:
        """Store the hash of an existing token, with its name, scopes and expiry.

        Raises:
            UsageError: see `create`.
        """
        _check_name(name)
        wanted = sorted(set(scopes))
        if not wanted or not set(wanted) <= set(SCOPES):
            raise UsageError(f"scopes are {', '.join(SCOPES)}", next_command=_USAGE)
        if not 1 <= days <= MOST_DAYS:
            raise UsageError(f"a token is valid for 1 to {MOST_DAYS:,} days, not {days}", next_command=_USAGE)
        known = self._read()
        known[hash_token(token)] = {
            "name": name,
            "scopes": wanted,
            "expires": (now + timedelta(days=days)).isoformat(timespec="seconds"),
        }
        self._file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self._file, json.dumps(known, indent=1), mode=0o600)

    def revoke(self, name: str) -> int:
        """Delete all tokens with this name, and return how many there were.

        Raises:
            UsageError: there is no token with this name.
        """
        known = self._read()
        kept = {key: token for key, token in known.items() if not isinstance(token, dict) or token.get("name") != name}
        if len(kept) == len(known):
            raise UsageError("there is no token with this name", next_command="python -m agents revoke NAME")
        write_atomically(self._file, json.dumps(kept, indent=1), mode=0o600)
        return len(known) - len(kept)

    def find(self, token: str, now: datetime) -> Bearer | None:
        """Return the bearer of a token; None when it is unknown or has expired.

        An expired token stays expired if the clock is set back while the process runs.
        """
        self._latest = max(self._latest, now)
        found = self._read().get(hash_token(token))
        if not isinstance(found, dict):
            return None
        expires = datetime.fromisoformat(str(found["expires"]))
        return Bearer(str(found["name"]), frozenset(found["scopes"]), expires) if self._latest < expires else None

    def _read(self) -> dict[str, object]:
        try:
            return dict(json.loads(self._file.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return {}


def _check_name(name: str) -> None:
    """Reject a name of over 100 characters, and a name that the history would show as empty or like another name."""
    try:
        readable = printable(require_visible(name)) == name and len(name) <= 100
    except ValueError:
        readable = False
    if not readable:
        raise UsageError("the name of a token must be one visible line of at most 100 characters", next_command=_USAGE)

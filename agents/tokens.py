"""Bearer tokens of the server: shown once, kept as hashes, with scopes and an end."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal, get_args

from agents.request import printable, visible
from stack_runtime.errors import UsageError

Scope = Literal["read", "propose", "approve"]
SCOPES: tuple[Scope, ...] = get_args(Scope)


@dataclass(frozen=True)
class Bearer:
    """Whose token it is and what it opens."""

    name: str
    scopes: frozenset[str]
    expires: datetime


class Tokens:
    """The file `agents-tokens.json` in `folder`, for its owner alone."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "agents-tokens.json"
        self._latest = datetime.min.replace(tzinfo=UTC)

    def create(self, name: str, scopes: Iterable[str], days: int, now: datetime) -> str:
        """Create a token and store its hash.

        Returns: the token, which is not stored.
        Raises:
            UsageError: an unknown scope, or a name that the history could not show.
        """
        token = f"fds_{secrets.token_urlsafe(32)}"
        self.keep(token, name, scopes, days, now)
        return token

    def keep(self, token: str, name: str, scopes: Iterable[str], days: int, now: datetime) -> None:
        """Know a token that was made elsewhere; raises as `create` does."""
        _refuse_unreadable(name)
        wanted = sorted(set(scopes))
        if not wanted or not set(wanted) <= set(SCOPES):
            raise UsageError(f"scopes are {', '.join(SCOPES)}", next_command="python -m agents token NAME read propose")
        known = self._read()
        known[_hashed(token)] = {
            "name": name,
            "scopes": wanted,
            "expires": (now + timedelta(days=days)).isoformat(timespec="seconds"),
        }
        self._file.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._file.with_suffix(f".{os.getpid()}.tmp")
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
            json.dump(known, stream, indent=1)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, self._file)

    def find(self, token: str, now: datetime) -> Bearer | None:
        """Return the bearer of a token; None when it is unknown or has expired.

        An expired token stays expired if the clock is set back while the process runs.
        """
        self._latest = max(self._latest, now)
        found = self._read().get(_hashed(token))
        if not isinstance(found, dict):
            return None
        expires = datetime.fromisoformat(str(found["expires"]))
        return Bearer(str(found["name"]), frozenset(found["scopes"]), expires) if self._latest < expires else None

    def _read(self) -> dict[str, object]:
        try:
            return dict(json.loads(self._file.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return {}


def _refuse_unreadable(name: str) -> None:
    """Refuse a name that the history would show as empty, or like another name."""
    try:
        readable = printable(visible(name)) == name and len(name) <= 100
    except ValueError:
        readable = False
    if not readable:
        raise UsageError(
            "the name of a token is one visible line of at most 100 characters",
            next_command="python -m agents token NAME read propose",
        )


def _hashed(token: str) -> str:
    """The token has 256 random bits, so a plain hash is as good as a slow one; equal hashes leak nothing."""
    return hashlib.sha256(token.encode()).hexdigest()

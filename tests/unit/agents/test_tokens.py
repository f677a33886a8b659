"""Bearer tokens: valid names, and expiry that cannot be undone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agents.server.tokens import Tokens
from stack_runtime.errors import UsageError

NOW = datetime(2026, 10, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    "name", ["", " ", "\u200b", "\u3164\u2800", "\u0301", "ann\u200b", "ann\x1b[2J", "ann\nbob", "a" * 101, "\ud800"]
)
def test_name_that_cannot_be_shown_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="visible line"):
        Tokens(tmp_path).create(name, ["read"], 1, NOW)
    assert not list(tmp_path.iterdir())


def test_expired_token_stays_expired_when_the_clock_is_set_back(tmp_path: Path) -> None:
    tokens = Tokens(tmp_path)
    token = tokens.create("ann", ["read"], 1, NOW)
    assert tokens.find(token, NOW)
    assert tokens.find(token, NOW + timedelta(days=2)) is None
    assert tokens.find(token, NOW) is None

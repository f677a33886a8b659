"""Test which names and lifetimes a bearer token can have, and that an expired token is refused."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agents.server.tokens import Tokens
from stack_runtime.errors import UsageError

NOW = datetime(2026, 10, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    "name", ["", " ", "\u200b", "\u3164\u2800", "\u0301", "ann\u200b", "ann\x1b[2J", "ann\nbob", "a" * 101, "\ud800"]
)
def test_blank_too_long_or_unprintable_token_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="visible line"):
        Tokens(tmp_path).create(name, ["read"], 1, NOW)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("days", [0, -5, 10**9])
def test_token_with_an_invalid_lifetime_is_refused(tmp_path: Path, days: int) -> None:
    with pytest.raises(UsageError, match="valid for 1 to 36,500 days"):
        Tokens(tmp_path).create("ann", ["read"], days, NOW)
    assert not list(tmp_path.iterdir())


def test_revoked_token_is_refused_and_tokens_of_other_names_stay_valid(tmp_path: Path) -> None:
    tokens = Tokens(tmp_path)
    first, second = (tokens.create("ann", ["read"], 1, NOW) for _ in range(2))
    other = tokens.create("anna", ["read"], 1, NOW)
    assert tokens.revoke("ann") == 2
    assert tokens.find(first, NOW) is None and tokens.find(second, NOW) is None
    found = tokens.find(other, NOW)
    assert found and found.name == "anna"
    with pytest.raises(UsageError, match="no token with this name"):
        tokens.revoke("nobody")


@pytest.mark.parametrize("verb", ["serve", "mcp"])
def test_agents_server_does_not_start_if_its_stack_has_no_stack_file(tmp_path: Path, verb: str) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: freelancer-data-stack\nruntime: python\n")
    done = subprocess.run(
        [sys.executable, "-m", "agents", verb, "--stack", "nosuch"],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 2 and "no stack file Pulumi.nosuch.yaml" in done.stderr, done.stderr


def test_expired_token_is_refused_even_after_the_clock_is_set_back(tmp_path: Path) -> None:
    tokens = Tokens(tmp_path)
    token = tokens.create("ann", ["read"], 1, NOW)
    assert tokens.find(token, NOW)
    assert tokens.find(token, NOW + timedelta(days=2)) is None
    assert tokens.find(token, NOW) is None

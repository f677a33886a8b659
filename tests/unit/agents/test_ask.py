"""`fds ask`, as a user meets it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.evals.world import World


def _ask(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("FDS_", "ANTHROPIC", "OPENAI"))}
    return subprocess.run(
        [sys.executable, "-m", "fds.main", "ask", *words, "--stack", "prod"],
        cwd=folder, env={**clean, **environment}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


@pytest.fixture
def project(tmp_path: Path) -> Path:
    World(tmp_path)
    (tmp_path / "Pulumi.yaml").write_text("name: freelancer-data-stack\nruntime: python\n")
    return tmp_path


def test_without_a_model_it_says_what_works(project: Path) -> None:
    done = _ask(project, "more disk")
    assert done.returncode == 5
    assert "FDS_MODEL" in done.stderr and "fds scale" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "environment",
    [
        {"FDS_MODEL": "anthropic:claude-sonnet-4-5"},
        {"FDS_MODEL": "no such model"},
        {"FDS_MODEL": "openai:gpt-5", "OPENAI_API_KEY": "x", "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"},
    ],
    ids=["no key", "no such model", "nobody answers"],
)
def test_with_a_model_that_cannot_be_used_nothing_is_changed(project: Path, environment: dict[str, str]) -> None:
    before = (project / "Pulumi.prod.yaml").read_bytes()
    began = time.monotonic()
    done = _ask(project, "more disk", **environment)
    assert done.returncode == 5, done.stderr
    assert "fds scale" in done.stderr and "Traceback" not in done.stderr
    assert time.monotonic() - began < 70
    assert (project / "Pulumi.prod.yaml").read_bytes() == before


def test_empty_words_and_unknown_roles_are_usage_errors(project: Path) -> None:
    assert _ask(project, "", FDS_MODEL="test").returncode == 2
    assert _ask(project, "x", "--role", "king", FDS_MODEL="test").returncode == 2

"""Kill the process that applies a change: the approval is used up, and a written change is reverted at its end."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from agents.changes.proposal import Proposal
from agents.changes.request import ScalingRequest
from infra import stack_file
from stack_runtime.errors import StackError
from tests.evals.environment import EvalEnvironment

APPLY = """
import os, signal, sys
from pathlib import Path
from agents.changes import applying
from tests.evals.environment import EvalEnvironment
env = EvalEnvironment(Path(sys.argv[1]))
kill = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[4] == "before the edit":
    applying.stack_file.write = kill
else:
    EvalEnvironment._deploy = kill
    env.restart()
env.changes.apply(sys.argv[2], sys.argv[3], "ann")
"""


MOMENTS = pytest.mark.parametrize(("moment", "written"), [("before the edit", False), ("while deploying", True)])
BACKUPS = ScalingRequest(reason="x", backups=True, days=2)


@dataclass(frozen=True)
class Killed:
    """A project in which the process that applied a temporary change was killed."""

    env: EvalEnvironment
    proposal: Proposal
    token: str


def _killed(tmp_path: Path, moment: str) -> Killed:
    folder = tmp_path / "project"
    folder.mkdir()
    env = EvalEnvironment(folder)
    proposal = env.changes.propose("prod", BACKUPS, "ann")
    token = env.changes.approve(proposal.id, proposal.digest, "bob")
    words = [sys.executable, "-c", APPLY, str(folder), proposal.id, token, moment]
    died = subprocess.run(words, cwd=Path(__file__).parents[3], capture_output=True, text=True)
    assert died.returncode == -signal.SIGKILL, died.stderr
    return Killed(env, proposal, token)


@MOMENTS
def test_killed_change_uses_up_its_approval_and_is_reverted_later_if_it_was_written(
    tmp_path: Path, moment: str, written: bool
) -> None:
    killed = _killed(tmp_path, moment)
    env, folder = killed.env, tmp_path / "project"
    assert stack_file.read(folder, "prod").backups is written
    env.changes.propose("prod", ScalingRequest(reason="x", volume_gb=50), "ann")
    assert env.changes.settings("prod").backups is written, "the killed change still counts as planned"
    with pytest.raises(StackError, match="used already"):
        env.changes.apply(killed.proposal.id, killed.token, "ann")

    env.now += timedelta(days=3)
    assert [outcome.status for outcome in env.changes.expire()] == (["taken back"] if written else [])
    assert stack_file.read(folder, "prod").backups is False
    assert env.changes.expire() == []


@MOMENTS
def test_killed_temporary_change_can_be_applied_by_another_request_unless_it_was_written(
    tmp_path: Path, moment: str, written: bool
) -> None:
    env = _killed(tmp_path, moment).env
    if written:
        with pytest.raises(StackError, match="has these settings already"):
            env.changes.propose("prod", BACKUPS, "ann")
        return
    proposal = env.changes.propose("prod", BACKUPS, "ann")
    env.changes.apply(proposal.id, env.changes.approve(proposal.id, proposal.digest, "bob"), "ann")
    assert stack_file.read(tmp_path / "project", "prod").backups is True
    env.now += timedelta(days=3)
    assert [outcome.status for outcome in env.changes.expire()] == ["taken back"]


@MOMENTS
def test_expire_reverts_a_killed_change_only_if_it_was_written(tmp_path: Path, moment: str, written: bool) -> None:
    """Nobody asks for another change before the end of the killed one."""
    env = _killed(tmp_path, moment).env
    env.now += timedelta(days=3)
    assert [outcome.status for outcome in env.changes.expire()] == (["taken back"] if written else [])
    assert stack_file.read(tmp_path / "project", "prod").backups is False
    events = [(line["event"], line.get("error", "")) for line in env.changes.history("prod")]
    closed = ("interrupted", "") if written else ("failed", "the process was killed, and the stack file does not have")
    assert any(event == closed[0] and error.startswith(closed[1]) for event, error in events)


def test_killed_change_of_an_unreadable_stack_file_stays_due(tmp_path: Path) -> None:
    env = _killed(tmp_path, "while deploying").env
    path = stack_file.path_of(tmp_path / "project", "prod")
    text = path.read_bytes()
    path.write_text("config: [")
    env.now += timedelta(days=3)
    assert [outcome.status for outcome in env.changes.expire()] == ["not taken back"]
    path.write_bytes(text)
    assert [outcome.status for outcome in env.changes.expire()] == ["taken back"]

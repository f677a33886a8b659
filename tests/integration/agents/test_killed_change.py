"""Kill the process that applies a change: the approval is used up, and the change is still reverted at its expiry."""

from __future__ import annotations

import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

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


@pytest.mark.parametrize(("moment", "written"), [("before the edit", False), ("while deploying", True)])
def test_change_whose_process_was_killed_uses_up_the_approval_and_is_reverted_later(
    tmp_path: Path, moment: str, written: bool
) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    env = EvalEnvironment(folder)
    proposal = env.changes.propose("prod", ScalingRequest(reason="x", backups=True, days=2), "ann")
    token = env.changes.approve(proposal.id, proposal.digest, "bob")
    words = [sys.executable, "-c", APPLY, str(folder), proposal.id, token, moment]
    died = subprocess.run(words, cwd=Path(__file__).parents[3], capture_output=True, text=True)
    assert died.returncode == -signal.SIGKILL, died.stderr

    assert stack_file.read(folder, "prod").backups is written
    env.changes.propose("prod", ScalingRequest(reason="x", volume_gb=50), "ann")
    assert env.changes.settings("prod").backups is written, "the killed change still counts as planned"
    with pytest.raises(StackError, match="used already"):
        env.changes.apply(proposal.id, token, "ann")

    env.now += timedelta(days=3)
    assert [outcome.status for outcome in env.changes.expire()] == ["taken back"]
    assert stack_file.read(folder, "prod").backups is False
    assert env.changes.expire() == []

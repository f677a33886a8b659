"""A change that is killed half way: its approval is spent, and a temporary one still ends."""

from __future__ import annotations

import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from agents.request import ScalingRequest
from infra import stack_file
from stack_runtime.errors import StackError
from tests.evals.world import World

APPLY = """
import os, signal, sys
from pathlib import Path
from agents import applying
from tests.evals.world import World
world = World(Path(sys.argv[1]))
dies = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[4] == "before the edit":
    applying.stack_file.write = dies
else:
    World._deploy = dies
    world.restart()
world.desk.apply(sys.argv[2], sys.argv[3], "ann")
"""


@pytest.mark.parametrize(("moment", "written"), [("before the edit", False), ("while deploying", True)])
def test_killed(tmp_path: Path, moment: str, written: bool) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    world = World(folder)
    proposal = world.desk.propose("prod", ScalingRequest(reason="x", backups=True, days=2), "ann")
    token = world.desk.approve(proposal.id, proposal.digest, "bob")
    words = [sys.executable, "-c", APPLY, str(folder), proposal.id, token, moment]
    died = subprocess.run(words, cwd=Path(__file__).parents[3], capture_output=True, text=True)
    assert died.returncode == -signal.SIGKILL, died.stderr

    assert stack_file.read(folder, "prod").backups is written
    with pytest.raises(StackError, match="used already"):
        world.desk.apply(proposal.id, token, "ann")

    world.now += timedelta(days=3)
    assert [outcome.status for outcome in world.desk.expire()] == ["taken back"]
    assert stack_file.read(folder, "prod").backups is False
    assert world.desk.expire() == []

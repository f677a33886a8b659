"""Test that the loop in the runner's Dockerfile starts runs by the schedule, and ends at once when it is terminated."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from pathlib import Path

import pytest

from infra.services.pipeline import SERVICE
from infra.settings import Settings
from stack_runtime.pipeline.paths import ROOT

DOCKERFILE = ROOT / "data_stack" / "images" / "pipeline" / "Dockerfile"


def _command() -> list[str]:
    text = DOCKERFILE.read_text(encoding="utf-8").replace("\\\n", "")
    (found,) = re.findall(r"^CMD (\[.*\])$", text, re.MULTILINE)
    return list(json.loads(found))


@pytest.mark.parametrize(("every", "least", "most"), [("1", 2, 6), ("", 0, 0)])
def test_loop_starts_runs_by_the_schedule_and_stops_at_once_if_it_is_terminated(
    tmp_path: Path, every: str, least: int, most: int
) -> None:
    stand_in = tmp_path / "python"
    stand_in.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/runs\n')
    stand_in.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", **({"FDS_EVERY_S": every} if every else {})}
    runner = subprocess.Popen(_command(), env=environment)
    time.sleep(4)
    began = time.monotonic()
    runner.terminate()
    assert runner.wait(5) == 0 and time.monotonic() - began < 2
    runs = (tmp_path / "runs").read_text().splitlines() if (tmp_path / "runs").exists() else []
    assert least <= len(runs) <= most
    assert set(runs) <= {"-m stack_runtime.pipeline run"}


def test_schedule_is_passed_to_the_runner_in_seconds() -> None:
    said = {
        schedule: SERVICE.environment(Settings.of("dev", {"schedule": schedule})).get("FDS_EVERY_S")
        for schedule in ("never", "hourly", "daily", "weekly")
    }
    assert said == {"never": None, "hourly": "3600", "daily": "86400", "weekly": "604800"}

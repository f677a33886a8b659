"""Test `fds setup`: the second run is quick, and a missing prerequisite gives an error and exit code 5."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from infra.engine.environment import VERSION, engine_root
from infra.prerequisites.engine import INSTALLER, Engine
from infra.prerequisites.http_probe import answers

ROOT = Path(__file__).parents[3]
FDS = Path(sys.executable).parent / "fds"


def _setup(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    changed = {**os.environ, **environment}
    return subprocess.run([FDS, "setup", *arguments], cwd=ROOT, env=changed, capture_output=True, text=True)


def test_second_setup_takes_under_three_seconds_and_changes_nothing() -> None:
    assert _setup().returncode == 0
    quickest = 60.0
    for _ in range(3):
        began = time.monotonic()
        second = _setup("--json")
        quickest = min(quickest, time.monotonic() - began)
        assert second.returncode == 0
        assert second.stderr.count("\n") == len(json.loads(second.stdout)["pieces"]), "something was fetched again"
    # Raise the limit in proportion to the load, because other processes use the CPU too.
    load = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    assert quickest < 3 * load


def test_setup_during_another_setup_says_that_it_waits_and_can_be_interrupted(tmp_path: Path) -> None:
    with (tmp_path / "setup.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        waiting = subprocess.Popen(
            # Let `env` reset SIGINT, because background jobs of a shell ignore it. `preexec_fn` would fork this
            # process, and libraries that other tests loaded would then write to the standard error that this test
            # reads.
            ["env", "--default-signal=INT", FDS, "setup"],
            cwd=ROOT,
            env={**os.environ, "FDS_CACHE_DIR": str(tmp_path)},
            stderr=subprocess.PIPE,
            text=True,
        )
        assert waiting.stderr is not None
        assert waiting.stderr.readline() == "another setup is running; waiting for it\n"
        waiting.send_signal(signal.SIGINT)
        stderr = waiting.communicate(timeout=30)[1]
    assert waiting.returncode == 130
    assert stderr.splitlines()[-1].startswith("fds: stopped") and "Traceback" not in stderr


def test_error_for_an_unreachable_docker_has_the_next_command_and_no_traceback() -> None:
    result = _setup("--json", DOCKER_HOST="unix:///nowhere/docker.sock")
    assert result.returncode == 5
    assert "unset DOCKER_HOST" in json.loads(result.stdout)["next"]
    assert "Traceback" not in result.stderr


def test_error_for_an_engine_that_cannot_be_built_states_the_reason_and_has_no_traceback(tmp_path: Path) -> None:
    empty_folder = tmp_path / "bin"
    empty_folder.mkdir()
    # Leave Go and uv out of PATH, and send requests to a proxy that does not answer.
    variables = {
        "PATH": str(empty_folder),
        "UV": "",
        "https_proxy": "http://127.0.0.1:9",
        "FDS_CACHE_DIR": str(tmp_path),
    }
    result = _setup(**variables)
    assert result.returncode == 5
    assert result.stderr.splitlines()[-1].startswith("fds: the engine is missing, and there is no Go to build it")
    assert "Traceback" not in result.stderr


def test_setup_outside_a_project_is_a_usage_error(tmp_path: Path) -> None:
    result = subprocess.run([FDS, "setup"], cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 2


def test_killed_build_of_the_engine_leaves_no_incomplete_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_engine = str(engine_root() / "bin")  # folder of the engine that setup may have built earlier
    others = [folder for folder in os.environ["PATH"].split(os.pathsep) if folder != own_engine]
    monkeypatch.setenv("PATH", os.pathsep.join(others))
    monkeypatch.setenv("FDS_CACHE_DIR", str(tmp_path))
    if Engine().find() is not None or answers(INSTALLER):
        pytest.skip("this machine has the official engine, so it never builds one")
    code = (
        "from fds_offline import engine_build; from pathlib import Path; import sys;"
        "engine_build.build(Path(sys.argv[1]), sys.argv[2], lambda line: print(line, flush=True))"
    )
    target = engine_root() / "bin" / "pulumi"
    command = [sys.executable, "-c", code, str(target), VERSION]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as build:
        assert build.stdout is not None
        for line in build.stdout:
            if line.startswith("compiling"):
                os.killpg(build.pid, signal.SIGKILL)
    assert not target.exists()
    assert Engine().find() is None

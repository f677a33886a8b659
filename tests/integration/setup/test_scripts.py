"""Test the exit codes of `deploy_stack.py` and of the benchmarks, and that `--validate-only` writes nothing."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from scripts import performance_test_data_stack as performance
from scripts.benchmarks import deploy
from tests.kit.hetzner import HetznerAPI
from tests.kit.project import ON_A_SERVER, ROOT, Project

GOOD = deploy.Result(
    containers=4, cold_seconds=[1.0], compose_seconds=[1.0], resources=21, nothing_seconds=[1.0], floor_seconds=[1.0]
)
SLOW = replace(GOOD, cold_seconds=[9.0])


def test_script_with_validate_only_shows_cost_and_preview_and_writes_nothing(tmp_path: Path) -> None:
    script = [sys.executable, str(ROOT / "scripts" / "deploy_stack.py"), "--environment=t-script", "--validate-only"]
    with HetznerAPI() as api:
        project = Project(tmp_path, "t-script", ON_A_SERVER, dict(api.environment))
        before = project.files()
        done = project.run(*script)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "of $50.00" in done.stdout and "would create Server t-script-server" in done.stderr
        over = project.run(*script, FDS_PRICES_DIR=str(tmp_path / "none"))
        assert over.returncode == 2, "expected the exit code of fds cost"
        assert project.files() == before and api.writes() == []


def test_script_deploys_if_the_option_validate_only_is_missing(tmp_path: Path) -> None:
    project = Project(tmp_path, "t-script", {"host": "local"}, {"DOCKER_HOST": "unix:///nonexistent.sock"})
    done = project.run(sys.executable, str(ROOT / "scripts" / "deploy_stack.py"), "--environment=t-script")
    assert done.returncode == 5 and "Docker is not running" in done.stderr


@pytest.mark.parametrize(
    ("result", "words", "code"),
    [(GOOD, ["--validate-targets"], 0), (SLOW, ["--validate-targets"], 6), (SLOW, [], 0)],
)
def test_benchmark_that_misses_a_target_fails_only_with_the_option_validate_targets(
    result: deploy.Result, words: list[str], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deploy, "measure", lambda rounds, say: result)
    monkeypatch.setattr(sys, "argv", ["performance", "--only", "deploy", *words])
    assert performance.main() == code

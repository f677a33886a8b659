"""Test `fds` from a wheel with and without its extras: the error about a missing extra says how to install it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.kit import wheel
from tests.kit.project import ROOT, SAMPLE

NO_MODEL = {"FDS_MODEL": "openai:a-model", "OPENAI_API_KEY": "x", "OPENAI_BASE_URL": "http://127.0.0.1:9"}
"""Variables that name a model provider at a closed port: the agents start, and fail when they call the provider."""


@pytest.fixture(scope="module")
def plain(built: Path, tmp_path_factory: pytest.TempPathFactory) -> wheel.Installed:
    return wheel.install(built, tmp_path_factory.mktemp("plain"))


@pytest.fixture(scope="module")
def whole(built: Path, tmp_path_factory: pytest.TempPathFactory) -> wheel.Installed:
    return wheel.install(built, tmp_path_factory.mktemp("whole"), "[all]")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    shutil.copy(ROOT / "Pulumi.yaml", tmp_path)
    (tmp_path / "Pulumi.dev.yaml").write_text("config:\n  freelancer-data-stack:host: local\n")
    return tmp_path


def _fds(installed: wheel.Installed, project: Path, *words: str) -> subprocess.CompletedProcess[str]:
    program, environment = installed.environment / "bin" / "fds", installed.variables(**NO_MODEL)
    return subprocess.run([program, *words], cwd=project, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("words", "extra"), [(("ask", "add a server"), "agents"), (("run", "--local", "--csv", str(SAMPLE)), "local")]
)
def test_error_about_a_missing_extra_ends_with_the_command_that_installs_it(
    plain: wheel.Installed, project: Path, words: tuple[str, ...], extra: str
) -> None:
    done = _fds(plain, project, *words)
    assert done.returncode == 5, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].endswith(f"next: pip install 'freelancer-data-stack[{extra}]'")


def test_fds_cost_needs_no_extra(plain: wheel.Installed, project: Path) -> None:
    done = _fds(plain, project, "cost", "--json")
    assert json.loads(done.stdout)["verdict"] == "within", done.stderr


def test_local_run_from_a_wheel_loads_the_sample_and_keeps_meltano_files_out_of_the_package(
    whole: wheel.Installed, project: Path
) -> None:
    done = _fds(whole, project, "run", "--local", "--csv", str(SAMPLE), "--database", "first.duckdb", "--json")
    run = json.loads(done.stdout)
    assert run["status"] == "succeeded" and run["rows"]["loaded"] > 2000, done.stderr
    packages = next(whole.environment.glob("lib/python*/site-packages"))
    assert not list(packages.glob("data_stack/**/.meltano")), "the run must not write into the installed package"


def test_fds_ask_from_a_wheel_with_all_extras_reports_no_missing_extra(whole: wheel.Installed, project: Path) -> None:
    done = _fds(whole, project, "ask", "add a server")
    assert done.returncode == 5 and "pip install" not in done.stderr, done.stderr


def test_foreign_package_with_the_name_agents_is_reported(built: Path, project: Path, tmp_path: Path) -> None:
    installed = wheel.install(built, tmp_path)
    (packages,) = installed.environment.glob("lib/python*/site-packages/agents")
    shutil.rmtree(packages)  # simulates another package `agents` that replaced these files
    packages.mkdir()
    (packages / "__init__.py").write_text("Agent = object\n")
    done = _fds(installed, project, "status")
    assert (
        done.returncode == 5 and "another package named agents" in done.stderr and done.stderr.count("\n") == 1
    ), done.stderr

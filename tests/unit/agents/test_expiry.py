"""Test that temporary changes are reported after their end, and that `fds expire` and its timer try to revert them."""

from __future__ import annotations

import configparser
import json
import os
import shlex
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agents.changes.expiry import overdue, timer_units
from agents.changes.request import ScalingRequest
from infra import stack_file
from tests.evals.environment import EvalEnvironment


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a project with a temporary change that ended long ago; its folder has special characters in the name."""
    folder = tmp_path / "100% mine"
    folder.mkdir()
    env = EvalEnvironment(folder)
    (folder / "Pulumi.yaml").write_text("name: freelancer-data-stack\nruntime: python\n")
    proposal = env.changes.propose("prod", ScalingRequest(reason="x", backups=True, days=1), "ann")
    env.changes.apply(proposal.id, env.changes.approve(proposal.id, proposal.digest, "bob"), "ann")
    return folder


def _run(words: list[str], folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("FDS_", "HCLOUD"))}
    return subprocess.run(words, cwd=folder, env=clean | environment, capture_output=True, text=True, timeout=120)


def _fds(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return _run([sys.executable, "-m", "fds.main", *words], folder, **environment)


def test_overdue_lists_only_temporary_changes_that_have_ended(project: Path) -> None:
    ends = datetime(2026, 10, 9, 12, tzinfo=UTC)
    assert overdue(project / ".fds", ends - timedelta(seconds=1)) == []
    assert [(stack, end[:16]) for _, stack, end in overdue(project / ".fds", ends)] == [("prod", "2026-10-09T12:00")]
    assert overdue(project, ends) == []
    (project / ".fds" / "agents.sqlite").write_text("no database")
    assert overdue(project / ".fds", ends) == []


def test_fds_cost_reports_an_overdue_change(project: Path) -> None:
    done = _fds(project, "cost", "--stack", "prod", "--allow-snapshot")
    assert "a temporary change of prod ended on 2026-10-09T12:00" in done.stderr and "fds expire" in done.stderr


def test_failed_revert_is_reported_with_the_reason_and_stays_due(project: Path) -> None:
    """The revert fails because the exchange rate is too old for a verdict."""
    stack_file.write(project, "prod", {"fxDate": "2026-08-01"})
    before = (project / "Pulumi.prod.yaml").read_bytes()
    tried = _fds(project, "expire")
    assert tried.returncode == 4 and "not taken back" in tried.stdout and "Traceback" not in tried.stderr
    assert (project / "Pulumi.prod.yaml").read_bytes() == before
    assert len(overdue(project / ".fds", datetime.now(UTC))) == 1


def test_expire_with_the_option_stack_handles_only_this_stack(project: Path) -> None:
    """Run the command first for a stack without changes, then for the stack whose change is due."""
    other = _fds(project, "expire", "--stack", "other", "--json")
    assert other.returncode == 0 and json.loads(other.stdout) == []
    stack_file.write(project, "prod", {"fxDate": "2026-08-01"})
    ours = _fds(project, "expire", "--stack", "prod", "--json")
    assert [outcome["stack"] for outcome in json.loads(ours.stdout)] == ["prod"] and ours.returncode == 4
    assert "nothing is due" in _fds(project, "expire", "-s", "other").stderr


def test_expire_for_an_unknown_stack_or_with_both_options_stack_and_install_is_a_usage_error(project: Path) -> None:
    unknown = _fds(project, "expire", "--stack", "nowhere")
    assert unknown.returncode == 2 and "Pulumi.nowhere.yaml" in unknown.stderr
    assert _fds(project, "expire", "--stack", "prod", "--install").returncode == 2


def test_service_unit_of_the_timer_runs_fds_expire_in_the_project_folder(project: Path) -> None:
    written = {}
    for kind, text in timer_units(project).items():
        parser = configparser.ConfigParser(interpolation=None)
        parser.optionxform = str  # type: ignore[assignment,method-assign]
        parser.read_string(text)
        written[kind] = parser
    service = written["service"]["Service"]
    folder = Path(service["WorkingDirectory"].replace("%%", "%"))
    assert folder == project and service["EnvironmentFile"].startswith("-") and written["timer"]["Timer"]["OnCalendar"]
    done = _run(shlex.split(service["ExecStart"]), folder)
    assert done.returncode in (3, 4, 5) and "not taken back" in done.stdout


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_systemd_accepts_the_timer_and_service_units(project: Path, tmp_path: Path) -> None:
    for kind, text in timer_units(project).items():
        (tmp_path / f"fds-expire-test.{kind}").write_text(text)
    checked = _run(
        ["systemd-analyze", "verify", "--user", str(tmp_path / "fds-expire-test.timer")],
        tmp_path,
        XDG_RUNTIME_DIR=str(tmp_path),
    )
    assert checked.returncode == 0 and "fds-expire" not in checked.stderr, checked.stderr


def test_expire_install_suggests_cron_if_there_is_no_user_instance_of_systemd(project: Path, tmp_path: Path) -> None:
    """The `systemctl` on PATH fails as it does on a machine without a user instance of systemd."""
    double = tmp_path / "bin" / "systemctl"
    double.parent.mkdir()
    double.write_text("#!/bin/sh\necho Failed to connect to bus >&2; exit 1\n")
    double.chmod(0o755)
    path = f"{double.parent}:{os.environ['PATH']}"
    done = _fds(project, "expire", "--install", PATH=path, XDG_CONFIG_HOME=str(tmp_path / "config"))
    assert done.returncode == 5 and "Failed to connect to bus" in done.stderr and "cron" in done.stderr
    assert len(list((tmp_path / "config" / "systemd" / "user").glob("fds-expire-*.timer"))) == 1

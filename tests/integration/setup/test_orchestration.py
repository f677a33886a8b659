"""Run the commands in docs/orchestration.md that change the stack file, and `fds open`, which reads the stack file."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from infra.services import selected
from infra.stack_file import read
from tests.kit.project import ROOT, Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Return a project with the profiles of the repository's dev stack."""
    profiles = yaml.safe_load((ROOT / "Pulumi.dev.yaml").read_text())["config"]["freelancer-data-stack:profiles"]
    made = Project(tmp_path, "orchestration-settings", {"host": "local", "profiles": profiles})
    made.make_stack()
    return made


def _set(project: Project, *words: str) -> None:
    done = project.engine("config", "set", *words)
    assert done.returncode == 0, done.stderr


def test_dev_stack_has_an_address_for_airflow_after_its_profile_is_added(project: Project) -> None:
    assert project.fds("open", "airflow").returncode == 2
    _set(project, "--path", "profiles[2]", "orchestration")
    settings = read(project.folder, project.stack)
    assert {*settings.profiles} == {*read(ROOT, "dev").profiles, "orchestration"}
    assert "airflow-local" in {service.name for service in selected(settings)}
    done = project.fds("open", "airflow", DISPLAY="", WAYLAND_DISPLAY="")
    assert done.returncode == 0 and done.stdout == "https://airflow.localhost:8443\n", done.stderr


def test_documented_commands_enable_the_webhook_and_store_its_url_encrypted(project: Project) -> None:
    _set(project, "--path", "notify.webhook", "true")
    _set(project, "--secret", "--path", "secrets.webhook_url", "https://hooks.example.org/x")
    assert read(project.folder, project.stack).notify.webhook
    assert "hooks.example.org" not in project.stack_file.read_text()

"""Run the commands in docs/operations.md that change the stack file, and `fds open`, which reads the stack file."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.services import selected
from infra.stack_file import read
from tests.kit.project import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Return a project with the profiles of the repository's prod stack."""
    made = Project(tmp_path, "monitoring-settings", {"host": "local", "profiles": ["lean"]})
    made.make_stack()
    return made


def _set(project: Project, *words: str) -> None:
    done = project.engine("config", "set", *words)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("profile", ["monitoring", "grafana"])
def test_profiles_monitoring_and_grafana_both_select_prometheus_and_alertmanager(
    project: Project, profile: str
) -> None:
    _set(project, "--path", "profiles[1]", profile)
    settings = read(project.folder, project.stack)
    assert {*settings.profiles} == {"lean", profile}
    names = {service.name for service in selected(settings)}
    assert {"prometheus", "alertmanager"} <= names and ("grafana" in names) == (profile == "grafana")


def test_fds_open_knows_the_address_of_grafana_only_after_its_profile_is_added(project: Project) -> None:
    without = project.fds("open", "grafana")
    assert without.returncode == 2 and "grafana has no UI" in without.stderr
    _set(project, "--path", "profiles[1]", "grafana")
    done = project.fds("open", "grafana", DISPLAY="", WAYLAND_DISPLAY="")
    assert done.returncode == 0 and done.stdout == "https://grafana.localhost:8443\n", done.stderr


def test_documented_commands_set_the_mail_receiver_and_store_its_password_encrypted(project: Project) -> None:
    for name, value in (
        ("notify.email.to", "me@example.org"),
        ("notify.email.sender", "fds@example.org"),
        ("notify.email.server", "smtp.example.org"),
        ("notify.email.user", "me"),
    ):
        _set(project, "--path", name, value)
    _set(project, "--secret", "--path", "secrets.smtp_password", "of-the-test")
    email = read(project.folder, project.stack).notify.email
    assert email is not None and (email.to, email.user) == ("me@example.org", "me")
    assert "of-the-test" not in project.stack_file.read_text()

"""Run the first commands in docs/bi.md: add the profile, and print the address and the password of Metabase."""

from __future__ import annotations

from pathlib import Path

from tests.kit.project import Project


def test_dev_stack_with_the_profile_bi_has_an_address_and_a_password_for_metabase(tmp_path: Path) -> None:
    project = Project(tmp_path, "bi-settings", {"host": "local", "profiles": ["agents", "queue"]})
    project.make_stack()
    added = project.engine("config", "set", "--path", "profiles[2]", "bi")
    assert added.returncode == 0, added.stderr
    opened = project.fds("open", "metabase", DISPLAY="", WAYLAND_DISPLAY="")
    assert opened.returncode == 0 and opened.stdout == "https://metabase.localhost:8443\n", opened.stderr
    project.generate_secrets()
    password = project.engine("config", "get", "--path", "secrets.metabase_admin_password")
    assert password.returncode == 0 and len(password.stdout.strip()) >= 20, password.stderr

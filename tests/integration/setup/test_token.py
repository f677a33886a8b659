"""Test the errors for a stored token that cannot be read: missing stack, wrong passphrase, missing engine."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.kit.hetzner.api import HetznerAPI
from tests.kit.project import ON_A_SERVER, Project

TOKEN = "t" * 64


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Return a project with a stack on a server; the stack file has the encrypted token."""
    (tmp_path / "project").mkdir()
    made = Project(tmp_path / "project", "t-token", ON_A_SERVER, {"HCLOUD_TOKEN": ""})
    made.make_stack()
    assert made.engine("config", "set", "--secret", "hcloud:token", TOKEN).returncode == 0
    return made


def test_stored_token_alone_is_enough_to_order_a_server(tmp_path: Path) -> None:
    """The Pulumi engine passes the token to the provider as a secret, and no environment variable contains it."""
    with HetznerAPI() as api:
        api.faults.add("POST", "/servers$", 100, "412")  # end the deployment here, because no server boots in this test
        made = Project(tmp_path, "t-stored", ON_A_SERVER, {"HCLOUD_TOKEN": "", "HCLOUD_ENDPOINT": api.endpoint})
        made.take_secrets()
        made.make_stack()
        assert made.engine("config", "set", "--secret", "hcloud:token", api.token).returncode == 0
        done = made.fds("up")
        assert done.returncode == 3 and "is sold out" in done.stderr, done.stderr
        assert [entry.path for entry in api.writes()].count("/servers") == 1


def _refused(project: Project, code: int, **environment: str) -> dict[str, Any]:
    done = project.fds("cost", "--json", **environment)
    assert done.returncode == code, done.stdout + done.stderr
    assert TOKEN not in done.stdout + done.stderr and "Traceback" not in done.stderr
    return dict(json.loads(done.stdout))


def _without_state(project: Project) -> dict[str, bytes]:
    shutil.rmtree(project.folder / ".fds" / "state")
    return project.files()


def test_error_for_a_missing_state_says_that_the_stack_is_missing(project: Project) -> None:
    before = _without_state(project)
    error = _refused(project, 2)
    assert error["error"] == "Pulumi.t-token.yaml holds a token, but there is no stack t-token in this state"
    assert "PULUMI_BACKEND_URL" in error["next"] and "pulumi stack select --create t-token" in error["next"]
    assert project.files() == before


def test_error_for_a_state_without_the_stack_says_that_the_stack_is_missing(project: Project, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = Project(tmp_path / "other", "another", ON_A_SERVER)
    other.make_stack()
    backend = f"file://{other.folder / '.fds' / 'state'}"
    error = _refused(project, 2, PULUMI_BACKEND_URL=backend)
    assert "there is no stack t-token in this state" in error["error"] and error["where"] == backend


def test_token_can_be_read_again_after_the_missing_stack_is_created(project: Project) -> None:
    _without_state(project)
    project.make_stack()
    checks = {row["check"]: row for row in json.loads(project.fds("doctor", "--json").stdout)["checks"]}
    assert checks["machine"]["ok"], checks


def test_error_for_a_wrong_passphrase_says_incorrect_passphrase(project: Project) -> None:
    (project.folder / ".fds" / "passphrase").write_text("another")
    error = _refused(project, 2)
    assert error["error"] == "the stored token cannot be decrypted: incorrect passphrase"
    assert "PULUMI_CONFIG_PASSPHRASE" in error["next"]


def test_error_without_an_engine_suggests_fds_setup(project: Project, tmp_path: Path) -> None:
    error = _refused(project, 5, PATH="/nowhere", FDS_CACHE_DIR=str(tmp_path / "cache"))
    assert error["error"] == "the Pulumi engine is missing" and error["next"].startswith("fds setup")


def test_error_for_an_unreachable_state_backend_names_the_backend(project: Project) -> None:
    backend = "http://127.0.0.1:9"
    error = _refused(project, 5, PULUMI_BACKEND_URL=backend)
    assert error["error"].startswith("the engine cannot read the stored token: ") and error["where"] == backend

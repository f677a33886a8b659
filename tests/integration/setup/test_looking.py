"""Test that read-only commands write nothing in a new project, even if they fail, and that `fds preview` writes nothing
with an existing stack.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.kit.hetzner import HetznerAPI
from tests.kit.project import ON_A_SERVER, Project

LOCAL = {"host": "local", "profiles": ["lean"], "httpPort": 18080, "httpsPort": 18443}


@pytest.fixture
def local(tmp_path: Path) -> Project:
    """Return a new project, without state, passphrase and secrets."""
    return Project(tmp_path, "t-look", LOCAL)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Project]:
    with HetznerAPI() as api:
        yield Project(tmp_path, "t-look-server", ON_A_SERVER, dict(api.environment))
        assert api.writes() == []


READ_ONLY_COMMANDS = [
    (("preview",), (0, 0)),
    (("drift",), (5, 5)),
    (("doctor",), (0, 5)),
    (("cost",), (0, 0)),
    (("status",), (0, 5)),
    (("logs", "pipeline"), (2, 5)),
    (("scale", "memory.postgres=160"), (0, 0)),
]
"""Commands, each with the exit code for a local stack and the exit code for a stack on a server."""


@pytest.mark.parametrize(("words", "codes"), READ_ONLY_COMMANDS)
def test_read_only_command_in_a_new_local_project_writes_nothing(
    local: Project, words: tuple[str, ...], codes: tuple[int, int]
) -> None:
    before = local.files()
    done = local.fds(*words)
    assert done.returncode == codes[0], done.stdout + done.stderr
    assert local.files() == before


@pytest.mark.parametrize(("words", "codes"), READ_ONLY_COMMANDS)
def test_read_only_command_in_a_new_server_project_writes_nothing(
    server: Project, words: tuple[str, ...], codes: tuple[int, int]
) -> None:
    before = server.files()
    done = server.fds(*words)
    assert done.returncode == codes[1], done.stdout + done.stderr
    assert server.files() == before


def test_preview_of_a_new_stack_shows_only_resources_to_create(local: Project) -> None:
    done = local.fds("preview")
    assert done.returncode == 0 and "would create Container t-look-postgres" in done.stderr, done.stderr
    assert set(local.json("preview")["changes"]) == {"create"}


def test_preview_of_an_existing_stack_writes_nothing(local: Project) -> None:
    local.make_stack()
    assert local.engine("config", "set", "--secret", "--path", "secrets.ui_password", "mine").returncode == 0
    before = local.files()
    assert set(local.json("preview")["changes"]) == {"create"}
    assert local.files() == before


def test_preview_with_a_passphrase_that_does_not_decrypt_the_secrets_is_refused(local: Project) -> None:
    local.take_secrets()
    assert local.fds("preview").returncode == 0
    (local.folder / ".fds" / "passphrase").write_text("another")
    done = local.fds("preview")
    assert done.returncode == 2 and "cannot be decrypted with this passphrase" in done.stderr, done.stderr


@pytest.mark.parametrize("made", [False, True])
def test_fds_drift_fails_if_nothing_of_the_stack_is_deployed(local: Project, made: bool) -> None:
    if made:
        local.make_stack()
    done = local.fds("drift", "--json")
    error = json.loads(done.stdout)
    assert done.returncode == 5 and error["error"] == "nothing of stack t-look is deployed"
    assert error["next"] == "fds up --stack t-look"


def test_suggested_command_for_a_missing_stack_file_creates_a_usable_stack_file(local: Project) -> None:
    name = "t-look-new"
    missing = local.run("fds", "cost", "--stack", name)
    assert missing.returncode == 2
    command = missing.stderr.partition(", or create it: ")[2].strip()
    assert local.run("sh", "-c", command).returncode == 0
    made = yaml.safe_load((local.folder / f"Pulumi.{name}.yaml").read_text())["config"]
    assert made["freelancer-data-stack:host"] == "local"
    assert made["freelancer-data-stack:httpsPort"] != 8443, "the dev stack uses this port"
    assert local.run("fds", "cost", "--stack", name).returncode == 0

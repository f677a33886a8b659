"""Test the environment variables with which `fds` starts Pulumi, and which folders `fds` uses."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from infra.engine.environment import engine_home, engine_root, environment, plugins_folder, write_env_file
from stack_runtime.errors import UnreachableError, UsageError
from stack_runtime.paths import cache_dir, project_dir


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Create a project folder, and beside it a cache folder with a stand-in for `pulumi`; return the project folder."""
    monkeypatch.setenv("FDS_CACHE_DIR", str(tmp_path / "the cache"))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    for name in ("PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"):
        monkeypatch.delenv(name, raising=False)
    engine = engine_root() / "bin" / "pulumi"
    engine.parent.mkdir(parents=True)
    engine.write_text("#!/bin/sh\n")
    engine.chmod(0o755)
    folder = tmp_path / "the project"
    folder.mkdir()
    (folder / "Pulumi.yaml").touch()
    return folder


def test_environment_variable_path_has_the_folders_of_the_user_first_and_the_stand_ins_last(project: Path) -> None:
    folders = environment(project, "dev")["PATH"].split(os.pathsep)
    uv = project / ".fds" / "uv" / "bin"
    assert folders == ["/usr/bin", "/bin", str(engine_root() / "bin"), str(uv), str(plugins_folder(project))]


def test_passphrase_file_is_accessible_only_to_its_owner_and_not_created_again(project: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        files = set(pool.map(lambda _: environment(project, "dev")["PULUMI_CONFIG_PASSPHRASE_FILE"], range(8)))
    (path,) = map(Path, files)
    first = path.read_text()
    assert len(first) >= 32
    assert path.stat().st_mode & 0o777 == 0o600
    assert Path(environment(project, "dev")["PULUMI_CONFIG_PASSPHRASE_FILE"]).read_text() == first


def test_backend_url_and_passphrase_that_the_user_sets_are_kept(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_BACKEND_URL", "s3://mine")
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "hunter2")
    chosen = environment(project, "dev")
    assert (chosen["PULUMI_BACKEND_URL"], chosen["PULUMI_CONFIG_PASSPHRASE"]) == ("s3://mine", "hunter2")
    assert not (project / ".fds" / "passphrase").exists()


def test_env_file_puts_pulumi_on_path_and_has_no_secret(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment(project, "dev")
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "hunter2")
    path = write_env_file(project, "dev")
    assert "hunter2" not in path.read_text()
    command = '. "$0" && command -v pulumi && echo "$PULUMI_BACKEND_URL" && echo "$PULUMI_PYTHON_CMD" '
    command += '&& echo "$GRPC_ENABLE_FORK_SUPPORT"'
    lines = subprocess.run(["sh", "-c", command, path], capture_output=True, text=True, check=True).stdout.splitlines()
    assert lines == [str(engine_root() / "bin" / "pulumi"), f"file://{project}/.fds/state", sys.executable, "0"]


def test_missing_pulumi_is_an_error_that_suggests_fds_setup(project: Path) -> None:
    (engine_root() / "bin" / "pulumi").unlink()
    with pytest.raises(UnreachableError, match="next: fds setup"):
        environment(project, "dev")


def test_project_folder_is_the_nearest_parent_folder_with_a_pulumi_yaml(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = project / "a" / "b"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    assert project_dir() == project
    monkeypatch.chdir(project.parent)
    with pytest.raises(UsageError):
        project_dir()


def test_cache_folder_is_in_the_home_folder_unless_xdg_cache_home_is_set(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("FDS_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_dir() == tmp_path / "freelancer-data-stack"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_dir() == tmp_path / ".cache" / "freelancer-data-stack"


def test_home_folder_of_pulumi_is_in_the_home_of_the_account_unless_pulumi_home_is_set(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("PULUMI_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert engine_home() == Path(pwd.getpwuid(os.getuid()).pw_dir) / ".pulumi"
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000_000)
    assert engine_home() == tmp_path / ".pulumi", "HOME is used if the user is not in the password database"
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "own"))
    assert engine_home() == tmp_path / "own"

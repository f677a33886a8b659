"""Test that generated secrets are stored exactly and encrypted, and are never arguments of `pulumi`."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from infra.engine.progress import Progress
from infra.engine.stack_operations import StackOperations
from stack_runtime.remote.keys import public_half
from tests.kit.project import OTHERS, Project


def test_generated_secrets_are_stored_encrypted_and_never_passed_as_arguments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, seen = shutil.which("pulumi"), tmp_path / "arguments"
    assert engine is not None
    watcher = tmp_path / "bin" / "pulumi"
    watcher.parent.mkdir()
    watcher.write_text(f'#!/bin/sh\necho "$@" >> {seen}\nexec {engine} "$@"\n')
    watcher.chmod(0o755)
    monkeypatch.setenv("PATH", f"{watcher.parent}{os.pathsep}{os.environ['PATH']}")
    (tmp_path / "project").mkdir()
    project = Project(tmp_path / "project", "t-secrets", {"host": "hetzner"})
    for name in OTHERS:
        monkeypatch.delenv(name, raising=False)
    deployment = StackOperations(project.folder, project.stack, Progress(None))
    made = deployment.generate_secrets()
    secrets = deployment.secrets()
    assert set(made) == set(secrets) >= {"postgres_password", "ui_password", "ssh_key", "ssh_host_key"}
    assert secrets["ssh_key"].endswith("-----\n") and public_half(secrets["ssh_key"])
    places = seen.read_text() + project.stack_file.read_text()
    assert "config set --secret" in places
    lines = [line for value in secrets.values() for line in value.splitlines() if "---" not in line]
    assert not [line for line in lines if line in places]
    assert deployment.generate_secrets() == []

"""Test which stack plain `pulumi` uses after the product's code opened stacks, and what an exported state contains."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pulumi
import pytest
from pulumi import automation as auto

from infra.engine.environment import backend_folder, search_path
from infra.engine.workspaces import ReadingWorkspace, ScratchWorkspace
from stack_runtime.paths import PROJECT
from tests.kit.engine import Stack, changes, inline_stack
from tests.kit.project import ROOT


@pytest.fixture
def backend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("PATH", search_path(ROOT))
    monkeypatch.setenv("PULUMI_BACKEND_URL", f"file://{tmp_path}")
    return f"file://{tmp_path}"


def _plain(folder: Path, *words: str) -> str:
    return subprocess.check_output(["pulumi", *words], cwd=folder, text=True).strip()


def _program() -> None:
    pulumi.ComponentResource("test:index:Nothing", "nothing").register_outputs({"secret": pulumi.Output.secret("s")})


def _stack(folder: Path, backend: str, name: str = "test") -> Stack:
    surroundings = {"PULUMI_BACKEND_URL": backend, "PULUMI_CONFIG_PASSPHRASE": "x"}
    return inline_stack(folder, PROJECT, name, _program, **surroundings)


def test_exported_state_can_be_imported_again_and_keeps_its_secrets_encrypted(tmp_path: Path, backend: str) -> None:
    stack = _stack(tmp_path, backend)
    stack.up()
    before = stack.export_stack()
    stack.import_stack(auto.Deployment(version=3, deployment=before.deployment))
    assert (stack.export_stack().deployment or {})["resources"] == (before.deployment or {})["resources"]
    assert "plaintext" not in _plain(tmp_path, "stack", "export", "--stack", "test")
    assert changes(_stack(tmp_path, backend).up()) == {}


def test_plain_pulumi_uses_the_stack_that_was_opened_last(
    tmp_path: Path, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, link = tmp_path / "folder", tmp_path / "link"
    folder.mkdir()
    link.symlink_to(folder)
    for way in (folder, link):
        monkeypatch.setenv("PWD", str(way))
        for name in ("test", "another", "test"):
            _stack(folder, backend, name)
            assert _plain(folder, "stack", "--show-name") == name


def test_workspaces_for_reading_and_for_temporary_stacks_do_not_change_the_selected_stack(
    tmp_path: Path, backend: str
) -> None:
    for name in ("another", "test"):
        _stack(tmp_path, backend, name)
    surroundings = {"PULUMI_BACKEND_URL": backend, "PULUMI_CONFIG_PASSPHRASE": "x"}
    reading = ReadingWorkspace(str(tmp_path), program=_program, env_vars=surroundings)
    assert auto.Stack.select("another", reading).export_stack().version == 3
    scratch = ScratchWorkspace(str(tmp_path), program=_program, env_vars=surroundings)
    auto.Stack.create("third", scratch)
    assert _plain(tmp_path, "stack", "--show-name") == "test"
    with pytest.raises(auto.StackNotFoundError):
        auto.Stack.select("fourth", reading)


@pytest.mark.parametrize("address", ["https://example.test", "s3://bucket", ""])
def test_state_backend_has_a_local_folder_only_if_it_is_a_file_backend(tmp_path: Path, address: str) -> None:
    assert backend_folder(f"file://{tmp_path}") == tmp_path / ".pulumi"
    assert backend_folder(address) is None

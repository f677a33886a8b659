"""Test that state read from the backend's folder equals what the engine exports, and what makes it unreadable."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pulumi
import pytest
from pulumi import automation as auto

from infra.engine import checkpoint
from infra.engine.environment import search_path
from stack_runtime.paths import PROJECT
from tests.kit.engine import Stack, changes, inline_stack
from tests.kit.project import ROOT


@pytest.fixture
def backend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("PATH", search_path(ROOT))
    monkeypatch.setenv("PULUMI_BACKEND_URL", f"file://{tmp_path}")
    return f"file://{tmp_path}"


def _pulumi(folder: Path, *words: str) -> str:
    return subprocess.check_output(["pulumi", *words], cwd=folder, text=True).strip()


def _record_starts(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return a list to which every process started from now on is added."""
    start = subprocess.Popen
    starts: list[Any] = []
    monkeypatch.setattr(subprocess, "Popen", lambda *words, **options: starts.append(words) or start(*words, **options))
    return starts


def _stack(folder: Path, backend: str, name: str = "test") -> Stack:
    def program() -> None:
        pulumi.ComponentResource("test:index:Nothing", "nothing").register_outputs(
            {"secret": pulumi.Output.secret("s")}
        )

    environment = {"PULUMI_BACKEND_URL": backend, "PULUMI_CONFIG_PASSPHRASE": "x"}
    return inline_stack(folder, PROJECT, name, program, **environment)


def test_state_equals_the_engine_s_export(tmp_path: Path, backend: str) -> None:
    stack = _stack(tmp_path, backend)
    stack.up()
    exported = stack.export_stack().deployment or {}
    found = checkpoint.read(backend, "test")
    assert found is not None and len(found["resources"]) == 2
    for key in ("urn", "type", "parent"):
        assert [one.get(key) for one in found["resources"]] == [one.get(key) for one in exported["resources"]]
    assert "plaintext" in str(exported) and "plaintext" not in str(found), "secrets must stay encrypted"
    stack.import_stack(auto.Deployment(version=3, deployment=found))
    assert (stack.export_stack().deployment or {})["resources"] == exported["resources"]


def test_selected_stack_is_opened_without_starting_the_engine(
    tmp_path: Path, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = _stack(tmp_path, backend)
    first.up()
    engine = first.workspace.pulumi_command
    assert _pulumi(tmp_path, "version") == f"v{engine.version}"
    starts = _record_starts(monkeypatch)
    again = _stack(tmp_path, backend)
    of_the_user = type(engine) is auto.PulumiCommand  # a version check starts the user's engine once more
    assert len(starts) == of_the_user
    assert changes(again.up()) == {}
    assert len(starts) == of_the_user + 1


def test_new_stack_starts_the_engine_once_and_every_form_of_its_state_is_found(
    tmp_path: Path, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts = _record_starts(monkeypatch)
    of_the_user = type(_stack(tmp_path, backend).workspace.pulumi_command) is auto.PulumiCommand
    assert len(starts) == 1 + of_the_user, "a new stack must be created without selecting it first"
    records = tmp_path / ".pulumi" / "stacks" / PROJECT
    record = records / "test.json"
    assert record.exists() and not checkpoint.never_made(backend, "test") and checkpoint.never_made(backend, "tes")
    for other in (records / "test.json.gz", records.parent / "test.json", records.parent / "older" / "test.json"):
        other.parent.mkdir(exist_ok=True)
        record = record.rename(other)
        assert not checkpoint.never_made(backend, "test"), other
    record.rename(records / "test.json")
    assert changes(_stack(tmp_path, backend).up()) == {"create": 2}


@pytest.mark.parametrize("address", ["file://.", "file://~", "https://example.test", "", "{}?a=b", "{}/%2e", "{}/../x"])
def test_ambiguous_backend_address_is_not_read(tmp_path: Path, address: str) -> None:
    assert checkpoint.never_made(f"file://{tmp_path}", "test")
    assert not checkpoint.never_made(address.format(f"file://{tmp_path}"), "test")


def test_unreadable_folder_is_not_read(tmp_path: Path) -> None:
    (tmp_path / ".pulumi").mkdir()
    (tmp_path / ".pulumi" / "stacks").touch()
    assert not checkpoint.never_made(f"file://{tmp_path}", "test")


def test_stack_created_by_another_process_is_selected(
    tmp_path: Path, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _stack(tmp_path, backend).up()
    _stack(tmp_path, backend, "another")
    monkeypatch.setattr(checkpoint, "never_made", lambda *_: True)
    assert changes(_stack(tmp_path, backend).up()) == {}
    assert _pulumi(tmp_path, "stack", "--show-name") == "test"


def test_plain_pulumi_uses_the_stack_that_was_opened_last(
    tmp_path: Path, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, link = tmp_path / "folder", tmp_path / "link"
    folder.mkdir()
    link.symlink_to(folder)
    for path in (folder, link):
        monkeypatch.setenv("PWD", str(path))
        for name in ("test", "another", "test"):
            _stack(folder, backend, name)
            assert _pulumi(folder, "stack", "--show-name") == name


@pytest.mark.parametrize(
    "text",
    ["", "[]", '{"version": 3, "checkpoint": null}', '{"version": 4, "checkpoint": {"latest": {}}}', '{"version": 3}'],
)
def test_unknown_state_format_is_not_read(tmp_path: Path, text: str) -> None:
    path = tmp_path / ".pulumi" / "stacks" / PROJECT / "test.json"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert checkpoint.read(f"file://{tmp_path}", "test") is None
    assert checkpoint.read(f"file://{tmp_path}", "another") is None
    assert checkpoint.read("s3://bucket", "test") is None

"""Test that a changed or restored stack file keeps comments and secrets, and that invalid files are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra import stack_file
from infra.stack_file import config, is_ours, path_of, put_back, read, write
from stack_runtime.errors import RefusedError, StackError, UsageError
from stack_runtime.paths import PROJECT

TEXT = """\
# why this stack is small
encryptionsalt: v1:abc
config:
  freelancer-data-stack:workers: 2 # two are enough
  freelancer-data-stack:budgetUsd: 49.99
  freelancer-data-stack:secrets:
    ui_password:
      secure: v1:xyz
  hcloud:token:
    secure: v1:tok
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    path_of(tmp_path, "dev").write_text(TEXT)
    return tmp_path


def test_settings_are_read_from_a_stack_file_that_also_has_secrets(project: Path) -> None:
    settings = read(project, "dev")
    assert settings.workers == 2
    assert str(settings.budget_usd) == "49.99"


def test_change_keeps_comments_and_other_settings(project: Path) -> None:
    write(project, "dev", {"workers": 3})
    text = path_of(project, "dev").read_text()
    assert text == TEXT.replace("workers: 2", "workers: 3")


@pytest.mark.parametrize("name", ["no", "on", "off", "yes", "null", "1e3", "0123", "0o17", "0b1", "2026-11-20", "1-1"])
def test_text_that_looks_like_another_yaml_type_is_kept_as_text(project: Path, name: str) -> None:
    change = {"location": name, "serverType": name, "profiles": ["lean", "n"], "services": {"y": {"cpu": 1}}}
    write(project, "dev", change)
    found = read(project, "dev")
    assert (found.location, found.server_type, found.profiles) == (name, name, ("lean", "n"))
    assert [*found.services] == ["y"]


@pytest.mark.parametrize("text", ["encryptionsalt: v1:abc\nconfig:\n", "encryptionsalt: v1:abc\n", "config: {}\n"])
def test_setting_is_written_to_a_stack_file_without_settings(tmp_path: Path, text: str) -> None:
    path_of(tmp_path, "dev").write_text(text)
    write(tmp_path, "dev", {"workers": 3})
    assert read(tmp_path, "dev").workers == 3


@pytest.mark.parametrize(
    "text", ["", "- a\n- b\n", "config: [1]\n", "a: [", "\x00", "config:\n  x: 1\n  x: 2\n", "[" * 800 + "]" * 800]
)
def test_invalid_stack_file_is_a_one_line_error(tmp_path: Path, text: str) -> None:
    path_of(tmp_path, "dev").write_text(text)
    with pytest.raises(UsageError) as caught:
        read(tmp_path, "dev")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("hcloud:token: plain", "pulumi config set --secret --path hcloud:token --stack dev"),
        (f"{PROJECT}:secrets: {{ui_password: 5}}", "pulumi config set --secret --path secrets.ui_password --stack dev"),
        (
            f"{PROJECT}:secrets: {{ssh_key: {{secure: v1:a}}, dns_token: {{secure: 1}}}}",
            "pulumi config set --secret --path secrets.dns_token --stack dev",
        ),
        (f"{PROJECT}:secrets: hunter2", "pulumi config rm secrets --stack dev"),
        (f"{PROJECT}:secrets: [a, b]", "pulumi config rm secrets --stack dev"),
        (f"{PROJECT}:domain: {{secure: v1:a}}", "pulumi config set domain VALUE --stack dev"),
    ],
)
def test_plain_secret_or_encrypted_setting_is_refused(tmp_path: Path, line: str, command: str) -> None:
    path_of(tmp_path, "dev").write_text(f"config:\n  {line}\n")
    with pytest.raises(UsageError) as caught:
        read(tmp_path, "dev")
    assert caught.value.next_command == command
    assert "hunter2" not in str(caught.value) and "plain" not in str(caught.value)


def test_all_secrets_may_be_in_one_encrypted_value(tmp_path: Path) -> None:
    path_of(tmp_path, "dev").write_text(f"config:\n  {PROJECT}:secrets: {{secure: v1:a}}\n")
    assert read(tmp_path, "dev").stack == "dev"


def test_restored_stack_file_has_the_original_bytes(project: Path) -> None:
    path = path_of(project, "dev")
    original = path.read_bytes().replace(b"\n", b"\r\n")
    write(project, "dev", {"workers": 3})
    put_back(path, original)
    assert path.read_bytes() == original


@pytest.mark.parametrize("text", [TEXT, "encryptionsalt: v1:abc\nconfig:\n", "# new\nconfig: {}\n"])
def test_restored_stack_file_keeps_new_secrets(tmp_path: Path, text: str) -> None:
    """A server that already exists may use the new SSH keys; without these keys, the server could not be reached."""
    path = path_of(tmp_path, "dev")
    path.write_text(text)
    before = read(tmp_path, "dev")
    write(tmp_path, "dev", {"workers": 3, "secrets": {"ssh_key": {"secure": "v1:new"}}})
    path.write_text(path.read_text().replace("encryptionsalt: v1:abc\n", "") + "encryptionsalt: v1:abc\n")
    put_back(path, text.encode())
    found = config(tmp_path, "dev")
    assert (read(tmp_path, "dev"), found["freelancer-data-stack:secrets"]) == (
        before,
        {"ssh_key": {"secure": "v1:new"}},
    )
    assert "encryptionsalt: v1:abc" in path.read_text() and text.splitlines()[0] in path.read_text()


@pytest.mark.parametrize("broken", ["a: [", "- x\n", ""])
def test_unreadable_stack_file_is_restored_to_its_earlier_content(project: Path, broken: str) -> None:
    path = path_of(project, "dev")
    path.write_text(broken)
    put_back(path, TEXT.encode())
    assert path.read_text() == TEXT


@pytest.mark.parametrize(("name", "ours"), [("own", False), (PROJECT, True)])
@pytest.mark.parametrize(
    "more", ["config:\n  own:since: 2026-01-01\n", "a: &one 1\nb: *one\n", "description: !!str yes\n"]
)
def test_name_in_any_valid_pulumi_yaml_decides_whether_the_project_is_a_data_stack(
    tmp_path: Path, name: str, ours: bool, more: str
) -> None:
    (tmp_path / "Pulumi.yaml").write_text(f"name: {name}\n{more}")
    assert is_ours(tmp_path) is ours


@pytest.mark.parametrize("document", ["name: website\n", "runtime: go\n", "name: [1]\n"])
def test_stack_of_another_program_is_refused(tmp_path: Path, document: str) -> None:
    """Without this check, `fds up` would write secrets into the stack file of the other program."""
    (tmp_path / "Pulumi.yaml").write_text(document)
    path_of(tmp_path, "dev").write_text("config: {}\n")
    with pytest.raises(
        UsageError, match=r"this is the Pulumi project .*, not a data stack .*; next: cd into the folder"
    ):
        read(tmp_path, "dev")


@pytest.mark.parametrize("kind", ["folder", "loop"])
def test_stack_file_that_is_not_a_regular_file_is_a_one_line_error(tmp_path: Path, kind: str) -> None:
    path = path_of(tmp_path, "dev")
    path.mkdir() if kind == "folder" else path.symlink_to(path)
    with pytest.raises(UsageError, match=r"the file cannot be read: .*; next: correct Pulumi.dev.yaml"):
        read(tmp_path, "dev")


@pytest.mark.parametrize("name", ["../dev", "Dev", "", "a.b", "-x", "x" * 32])
def test_invalid_stack_name_is_refused(project: Path, name: str) -> None:
    with pytest.raises(UsageError, match="a stack's name"):
        read(project, name)


def test_missing_stack_is_an_error_that_lists_existing_stacks(project: Path) -> None:
    with pytest.raises(UsageError, match="dev"):
        read(project, "prod")


def test_planned_change_is_not_written_if_the_stack_file_changed_after_the_plan(tmp_path: Path) -> None:
    """Two changes that are each within the budget may exceed it together, so the second must be planned again."""
    file = tmp_path / "Pulumi.prod.yaml"
    file.write_text("config:\n  freelancer-data-stack:host: hetzner\n")
    planned_on = read(tmp_path, "prod")
    write(tmp_path, "prod", {"serverType": "cpx32"}, planned_on=planned_on)
    before = file.read_bytes()
    with pytest.raises(RefusedError, match="changed while this change was planned"):
        write(tmp_path, "prod", {"backups": True}, planned_on=planned_on)
    assert file.read_bytes() == before


def test_failed_write_of_a_stack_file_is_an_error_with_reason_and_next_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    (tmp_path / "Pulumi.prod.yaml").write_text("config: {}\n")
    monkeypatch.setattr(stack_file, "write_atomically", full)
    with pytest.raises(StackError, match=r"cannot be written: No space left on device.*; next: make room"):
        write(tmp_path, "prod", {"backups": True})

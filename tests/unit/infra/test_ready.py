"""Test the wait for a new server, with doubles of the SSH connection that return scripted output."""

from __future__ import annotations

from pathlib import Path

import paramiko
import pytest

from stack_runtime.errors import HostKeyError, UnreachableError
from stack_runtime.remote import Access, ready
from stack_runtime.remote.ready import _booted

Answers = dict[str, tuple[int, str]]
DONE = (0, '{"v1": {"datasource": "DataSourceHetzner", "errors": []}}')
FAILED = (0, '{"v1": {"datasource": "DataSourceHetzner", "errors": ["scripts-user failed"]}}')
RUNNING = (1, "cat: /run/cloud-init/result.json: No such file or directory")


class ScriptedConnection:
    """Double of a connection: `run` returns the value of the first key of `answers` that occurs in the command."""

    def __init__(self, answers: Answers) -> None:
        self.answers = answers

    def run(self, command: str, *, stdin: str = "", timeout: float = 60.0) -> tuple[int, str]:
        return next(answer for word, answer in self.answers.items() if word in command)


def _answers(result: tuple[int, str], boot: int) -> Answers:
    return {"result.json": result, "boot-log": (0, "no such device"), " boot": (boot, "")}


def test_boot_is_complete_if_its_first_attempt_fails_and_its_repetition_succeeds() -> None:
    assert _booted(ScriptedConnection(_answers(FAILED, 0)))  # type: ignore[arg-type]


def test_boot_is_an_error_with_the_log_if_its_first_attempt_and_its_repetition_fail() -> None:
    with pytest.raises(UnreachableError, match=r"no such device[^;]*; next: fds up, which repeats the boot"):
        _booted(ScriptedConnection(_answers(FAILED, 1)))  # type: ignore[arg-type]


def test_boot_is_complete_only_after_cloud_init_wrote_the_whole_result() -> None:
    assert _booted(ScriptedConnection(_answers(DONE, 1)))  # type: ignore[arg-type]
    for partly in ("", '{"v1": {"err', "[]", '{"v1": {}}', '{"v1": null}'):
        assert not _booted(ScriptedConnection(_answers((0, partly), 1)))  # type: ignore[arg-type]
    assert not _booted(ScriptedConnection(_answers(RUNNING, 1)))  # type: ignore[arg-type]


class ReadyServer:
    """Double of a connection to a server that is ready; it records the commands.

    The command `measure` returns `answer`. If `hangs` is true, the command `grow` times out.
    """

    answer = (0, "")
    hangs = False
    commands: list[str] = []  # noqa: RUF012 (each test sets its own list)

    def __init__(self, access: Access, *, booting: bool = False) -> None:
        assert not booting

    def run(self, command: str, *, stdin: str = "", timeout: float = 60.0) -> tuple[int, str]:
        self.commands.append(command)
        if "measure" in command:
            return self.answer
        if self.hangs and "grow" in command:
            raise TimeoutError("timed out")
        return DONE if "result.json" in command else (0, "")

    def close(self) -> None:
        """Close nothing."""


@pytest.mark.parametrize("measure", [True, False])
def test_last_command_starts_the_timer_that_measures_containers_if_measuring_is_requested(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, measure: bool
) -> None:
    monkeypatch.setattr(ready, "Connection", ReadyServer)
    monkeypatch.setattr(ReadyServer, "commands", [])
    ready.wait_until_ready(Access("192.0.2.1", tmp_path, "", ""), pytest.fail, measure=measure)
    assert ["measure" in command for command in ReadyServer.commands].count(True) == measure
    assert not measure or ReadyServer.commands[-1] == "sudo /usr/local/sbin/fds-host measure"


def test_server_that_cannot_measure_containers_counts_as_ready_and_the_reason_is_reported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(ready, "Connection", ReadyServer)
    monkeypatch.setattr(ReadyServer, "commands", [])
    monkeypatch.setattr(ReadyServer, "answer", (2, "usage: fds-host boot|mount\n"))
    said: list[str] = []
    ready.wait_until_ready(Access("192.0.2.1", tmp_path, "", ""), said.append, measure=True)
    assert said == ["the containers of 192.0.2.1 are not measured: usage: fds-host boot|mount"]


def test_timeout_while_the_file_system_grows_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(ready, "Connection", ReadyServer)
    monkeypatch.setattr(ReadyServer, "commands", [])
    monkeypatch.setattr(ReadyServer, "hangs", True)
    with pytest.raises(UnreachableError, match="cannot be grown: timed out; next: fds up"):
        ready.wait_until_ready(Access("192.0.2.1", tmp_path, "", ""), lambda _: None)


class ForeignServer:
    """Double of a connection to a server that still shows the boot key and refuses the login of the deploy user."""

    def __init__(self, access: Access, *, booting: bool = False) -> None:
        if booting:
            raise paramiko.AuthenticationException("Authentication failed.")
        raise HostKeyError("a host key that is not the pinned one", next_command="find out why")


def test_server_that_never_shows_the_pinned_host_key_is_an_error_at_the_deadline(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(ready, "Connection", ForeignServer)
    with pytest.raises(UnreachableError, match=r"the host key cannot be sent to .*not the pinned one"):
        ready.wait_until_ready(Access("127.0.0.1", tmp_path, "", ""), lambda _: None, deadline_s=0)


class BootingServer:
    """Double of a connection to a new server without `sudo`, because its packages are still being installed."""

    def __init__(self, access: Access, *, booting: bool = False) -> None:
        if not booting:
            raise HostKeyError("a host key that is not the pinned one", next_command="find out why")

    def __enter__(self) -> BootingServer:
        return self

    def __exit__(self, *_: object) -> None:
        """Close nothing."""

    def run(self, command: str, *, stdin: str = "", timeout: float = 60.0) -> tuple[int, str]:
        assert command.startswith("sudo ")
        return 127, "bash: line 1: sudo: command not found"


def test_missing_sudo_is_an_error_only_at_the_deadline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(ready, "Connection", BootingServer)
    with pytest.raises(UnreachableError, match="the host key cannot be sent to"):
        ready.wait_until_ready(Access("127.0.0.1", tmp_path, "", ""), lambda _: None, deadline_s=0)


class SilentServer:
    """Double of a connection that times out, as if the server were still booting or behind a firewall."""

    def __init__(self, *_: object, **__: object) -> None:
        raise TimeoutError("timed out")


def test_long_wait_is_reported_again_with_elapsed_seconds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(ready, "Connection", SilentServer)
    monkeypatch.setattr(ready, "REPORT_INTERVAL_S", 1.0)
    monkeypatch.setattr(ready, "PAUSE_S", 0.1)
    messages: list[str] = []
    with pytest.raises(UnreachableError, match=r"SSH at 192\.0\.2\.1 does not answer: timed out"):
        ready.wait_until_ready(Access("192.0.2.1", tmp_path, "", ""), messages.append, deadline_s=2.5)
    assert messages[0] == "waiting for SSH at 192.0.2.1"
    assert messages[1:] == ["waiting for SSH at 192.0.2.1, 1 s so far", "waiting for SSH at 192.0.2.1, 2 s so far"]


def test_wait_message_names_the_firewall_rule_that_may_block_ssh(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(ready, "Connection", SilentServer)
    messages: list[str] = []
    with pytest.raises(UnreachableError, match=r"does not answer: timed out; only 192\.0\.2\.0/24 is let in"):
        ready.wait_until_ready(
            Access("127.0.0.1", tmp_path, "", ""), messages.append, deadline_s=0, hint="only 192.0.2.0/24 is let in"
        )
    assert messages == ["waiting for SSH at 127.0.0.1; only 192.0.2.0/24 is let in"]

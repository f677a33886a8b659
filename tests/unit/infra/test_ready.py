"""A first boot that failed is made up for, or told with its log; the server is played by what its commands answer."""

from __future__ import annotations

from pathlib import Path

import paramiko
import pytest

from stack_runtime.errors import UnreachableError
from stack_runtime.remote import Access, ready
from stack_runtime.remote.ready import _booted

Answers = dict[str, tuple[int, str]]
DONE = (0, '{"v1": {"datasource": "DataSourceHetzner", "errors": []}}')
FAILED = (0, '{"v1": {"datasource": "DataSourceHetzner", "errors": ["scripts-user failed"]}}')
RUNNING = (1, "cat: /run/cloud-init/result.json: No such file or directory")


class PlayedConnection:
    """Answers each command by the first word that it holds, and refuses what it does not know."""

    def __init__(self, answers: Answers) -> None:
        self.answers = answers

    def run(self, command: str, *, stdin: str = "", timeout: float = 60.0) -> tuple[int, str]:
        return next(answer for word, answer in self.answers.items() if word in command)


def _answers(result: tuple[int, str], boot: int) -> Answers:
    return {"result.json": result, "boot-log": (0, "no such device"), " boot": (boot, "")}


def test_a_boot_that_waited_in_vain_for_its_volume_is_made_up_for() -> None:
    assert _booted(PlayedConnection(_answers(FAILED, 0)))  # type: ignore[arg-type]


def test_a_boot_that_fails_again_is_told_with_its_log() -> None:
    with pytest.raises(UnreachableError, match=r"no such device[^;]*; next: fds up, which repeats the boot"):
        _booted(PlayedConnection(_answers(FAILED, 1)))  # type: ignore[arg-type]


def test_a_boot_is_over_when_cloud_init_left_its_result() -> None:
    assert _booted(PlayedConnection(_answers(DONE, 1)))  # type: ignore[arg-type]
    assert not _booted(PlayedConnection(_answers(RUNNING, 1)))  # type: ignore[arg-type]


class ForeignServer:
    """In place of a connection: shows the boot key, but does not let the deploy user in."""

    def __init__(self, access: Access, *, booting: bool = False) -> None:
        if booting:
            raise paramiko.AuthenticationException("Authentication failed.")
        raise UnreachableError("a host key that is not the pinned one", next_command="find out why")


def test_a_host_key_that_cannot_be_handed_over_is_given_up_at_the_deadline(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(ready, "Connection", ForeignServer)
    with pytest.raises(UnreachableError, match=r"cannot be handed over: .*not the pinned one"):
        ready.wait_until_ready(Access("127.0.0.1", tmp_path, "", ""), lambda _: None, deadline_s=0)


class BootingServer:
    """In place of a connection: a fresh server that has no `sudo` yet, since its packages are still being installed."""

    def __init__(self, access: Access, *, booting: bool = False) -> None:
        if not booting:
            raise UnreachableError("a host key that is not the pinned one", next_command="find out why")

    def __enter__(self) -> BootingServer:
        return self

    def __exit__(self, *_: object) -> None:
        """There is nothing to close."""

    def run(self, command: str, *, stdin: str = "", timeout: float = 60.0) -> tuple[int, str]:
        assert command.startswith("sudo ")
        return 127, "bash: line 1: sudo: command not found"


def test_server_that_still_installs_sudo_is_waited_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(ready, "Connection", BootingServer)
    with pytest.raises(UnreachableError, match="cannot be handed over"):
        ready.wait_until_ready(Access("127.0.0.1", tmp_path, "", ""), lambda _: None, deadline_s=0)


class SilentServer:
    """Connection that never answers, like a server that boots or is behind a firewall."""

    def __init__(self, *_: object, **__: object) -> None:
        raise TimeoutError("timed out")


def test_long_wait_is_reported_again_with_elapsed_seconds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(ready, "Connection", SilentServer)
    monkeypatch.setattr(ready, "REPORT_INTERVAL_S", 1.0)
    monkeypatch.setattr(ready, "PAUSE_S", 0.1)
    said: list[str] = []
    with pytest.raises(UnreachableError, match=r"SSH at 192\.0\.2\.1 does not answer: timed out"):
        ready.wait_until_ready(Access("192.0.2.1", tmp_path, "", ""), said.append, deadline_s=2.5)
    assert said[0] == "waiting for SSH at 192.0.2.1"
    assert said[1:] == ["waiting for SSH at 192.0.2.1, 1 s so far", "waiting for SSH at 192.0.2.1, 2 s so far"]


def test_wait_message_names_the_rule_that_may_block_ssh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(ready, "Connection", SilentServer)
    said: list[str] = []
    with pytest.raises(UnreachableError, match=r"does not answer: timed out; only 192\.0\.2\.0/24 is let in"):
        ready.wait_until_ready(
            Access("127.0.0.1", tmp_path, "", ""), said.append, deadline_s=0, hint="only 192.0.2.0/24 is let in"
        )
    assert said == ["waiting for SSH at 127.0.0.1; only 192.0.2.0/24 is let in"]

"""Test the exit codes and messages of failed commands, such as code 5 after the connection to a server broke."""

from __future__ import annotations

import http.client
import json
import sqlite3
import ssl
import sys

import httpx2
import paramiko
import psycopg
import pytest
import requests
import typer
import urllib3.exceptions
from hcloud import APIException

from fds import main
from fds._connections import connection_error
from stack_runtime.errors import UnknownError

BROKEN = [
    ConnectionResetError(104, "Connection reset by peer"),
    BrokenPipeError(32, "Broken pipe"),
    TimeoutError("timed out"),
    http.client.RemoteDisconnected("Remote end closed connection without response"),
    http.client.IncompleteRead(b"", 7),
    ssl.SSLEOFError("EOF occurred in violation of protocol"),
    requests.ConnectionError("('Connection aborted.', ...)"),
    requests.exceptions.ChunkedEncodingError("IncompleteRead"),
    urllib3.exceptions.ProtocolError("Connection broken"),
    paramiko.SSHException("Error reading SSH protocol banner"),
    psycopg.OperationalError("server closed the connection unexpectedly"),
    httpx2.ConnectError("All connection attempts failed"),
]


def _exit_code(error: BaseException, monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr(main, "app", fail)
    monkeypatch.setattr(main, "_register", lambda: None)
    monkeypatch.setattr(main, "_remind", lambda: None)
    monkeypatch.setattr(sys, "argv", ["fds", "status", *words])
    with pytest.raises(SystemExit) as raised:
        main.run()
    assert isinstance(raised.value.code, int)
    return raised.value.code


@pytest.mark.parametrize("error", BROKEN, ids=lambda error: type(error).__name__)
def test_command_with_a_broken_connection_exits_with_5(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _exit_code(error, monkeypatch) == 5
    stderr = capsys.readouterr().err
    assert stderr.startswith("fds: a connection broke: ") and "next: the same command again" in stderr


def test_error_response_of_the_hetzner_api_is_reported_with_its_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    refusal = APIException(code=502, message="bad gateway", details={})
    assert _exit_code(refusal, monkeypatch) == 5
    assert "the API answers 502: bad gateway" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (UnknownError("no price"), 4, "no price"),
        (KeyError("x"), 1, "unexpected: 'x'"),
        (OSError(28, "No space left on device"), 1, "a disk is full: No space left on device"),
        (OSError(30, "Read-only file system", "/a/.fds"), 1, "a file cannot be read or written: Read-only file system"),
        (PermissionError(13, "Permission denied", "/a"), 1, "a file cannot be read or written: Permission denied"),
        (
            sqlite3.OperationalError("database or disk is full"),
            1,
            "the history of changes cannot be written: database or disk is full",
        ),
        (KeyboardInterrupt(), 130, "stopped"),
        (typer.Abort(), 130, "stopped"),
        (typer.BadParameter("it is odd"), 2, "Invalid value: it is odd"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_failure_with_the_option_json_gives_one_document_on_stdout_and_one_line_on_stderr(
    error: BaseException,
    code: int,
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert _exit_code(error, monkeypatch, "--json") == code
    printed = capsys.readouterr()
    document = json.loads(printed.out)
    assert (document["error"], document["exit_code"]) == (says, code)
    assert printed.err.startswith(f"fds: {says}") and printed.err.count("\n") == 1


def test_text_that_a_server_sends_cannot_control_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    banner = UnknownError("SSH failed: \x1b]0;owned\x07\x1b[2J\r\u202ewelcome ü 1\xa0GB\n  …")
    assert _exit_code(banner, monkeypatch) == 4
    assert (
        capsys.readouterr().err == "fds: SSH failed: \ufffd]0;owned\ufffd\ufffd[2J\ufffd\ufffdwelcome ü 1\xa0GB\n  …\n"
    )


def test_json_option_after_a_double_dash_does_not_select_json_output(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _exit_code(UnknownError("no price"), monkeypatch, "--", "--json") == 4
    assert capsys.readouterr().out == ""


def test_debug_option_after_a_double_dash_does_not_show_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _exit_code(UnknownError("no price"), monkeypatch, "--", "--debug") == 4
    assert capsys.readouterr().err == "fds: no price\n"
    with pytest.raises(UnknownError):
        _exit_code(UnknownError("no price"), monkeypatch, "--debug")


@pytest.mark.parametrize("error", [KeyError("x"), FileNotFoundError(2, "No such file"), RuntimeError("no")])
def test_unexpected_failure_is_not_taken_for_a_broken_connection_and_exits_with_1(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert connection_error(error) is None
    assert _exit_code(error, monkeypatch) == 1

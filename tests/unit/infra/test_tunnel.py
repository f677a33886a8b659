"""Test that the Docker tunnel is open once the daemon answers; a shell stands in for `ssh`."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from stack_runtime.errors import UnreachableError
from stack_runtime.remote import tunnel

ANSWER = b"HTTP/1.0 200 OK\r\n\r\nOK"
REFUSED = "channel 2: open failed: connect failed: Connection refused"


@contextmanager
def _forwarded(path: Path, answers: Callable[[], bytes]) -> Iterator[None]:
    """Serve a socket like that of `ssh`, which accepts a connection even if the daemon does not answer."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()

        def serve() -> None:
            while True:
                try:
                    line, _ = listening.accept()
                except OSError:
                    return
                with line:
                    line.recv(100)
                    line.sendall(answers())

        threading.Thread(target=serve, daemon=True).start()
        yield
        listening.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def ssh() -> Iterator[subprocess.Popen[str]]:
    """Run a stand-in for `ssh` that reports one refused connection and keeps running."""
    words = ["sh", "-c", f"echo '{REFUSED}' >&2; exec sleep 60"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def test_tunnel_waits_for_a_daemon_that_refuses_at_first(tmp_path: Path, ssh: subprocess.Popen[str]) -> None:
    responses = iter([b"", b"", ANSWER])
    with _forwarded(tmp_path / "docker.sock", lambda: next(responses)):
        tunnel._wait(ssh, tmp_path / "docker.sock", "127.0.0.1")
    assert list(responses) == []


def test_daemon_that_never_answers_is_an_error_at_the_deadline(
    tmp_path: Path, ssh: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tunnel, "DEADLINE_S", 0.5)
    with (
        _forwarded(tmp_path / "docker.sock", bytes),
        pytest.raises(UnreachableError, match=f"Docker on 127.0.0.1 does not answer: {REFUSED}"),
    ):
        tunnel._wait(ssh, tmp_path / "docker.sock", "127.0.0.1")


def test_ssh_that_exits_is_an_error_with_its_last_line(tmp_path: Path) -> None:
    words = ["sh", "-c", "echo 'Host key verification failed.' >&2; exit 255"]
    with (
        subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process,
        pytest.raises(UnreachableError, match=r"SSH to 127\.0\.0\.1 failed: Host key verification failed"),
    ):
        tunnel._wait(process, tmp_path / "docker.sock", "127.0.0.1")

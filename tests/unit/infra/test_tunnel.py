"""Test the SSH tunnel to a Docker daemon: it counts as open only when the daemon answers. Scripts replace `ssh`."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from stack_runtime.errors import UnreachableError
from stack_runtime.remote import tunnel, write_access
from stack_runtime.remote.keys import generate

ANSWER = b"HTTP/1.0 200 OK\r\n\r\nOK"
REFUSED = "channel 2: open failed: connect failed: Connection refused"


@contextmanager
def _forwarded(path: Path, answers: Callable[[], bytes]) -> Iterator[None]:
    """Serve a socket that accepts every connection, as `ssh` does, and answers with the result of `answers`."""
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


def test_wait_for_the_tunnel_continues_until_the_daemon_answers(tmp_path: Path, ssh: subprocess.Popen[str]) -> None:
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


def test_exit_of_ssh_is_an_error_with_the_last_line_of_output(tmp_path: Path) -> None:
    words = ["sh", "-c", "echo 'Host key verification failed.' >&2; exit 255"]
    with (
        subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process,
        pytest.raises(UnreachableError, match=r"SSH to 127\.0\.0\.1 failed: Host key verification failed"),
    ):
        tunnel._wait(process, tmp_path / "docker.sock", "127.0.0.1")


@pytest.mark.parametrize("known", [None, b"", b"\n"], ids=["no file", "empty", "blank"])
def test_server_without_a_pinned_host_key_is_refused(tmp_path: Path, known: bytes | None) -> None:
    if known is not None:
        (tmp_path / "known_hosts").write_bytes(known)
    with pytest.raises(UnreachableError, match="no server is known here yet"), tunnel.docker_socket(tmp_path):
        pass


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """Return a folder with the key files of a server; other users may read the private key."""
    folder = tmp_path / "keys"
    access = write_access(
        folder, "192.0.2.1", {name: generate() for name in ("ssh_key", "ssh_host_key", "ssh_boot_key")}
    )
    access.key_file.chmod(0o644)
    return folder


@pytest.fixture
def fake_ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a double of `ssh` on PATH. Like `ssh`, it refuses long socket paths, and keys that other users can read."""
    program = tmp_path / "bin" / "ssh"
    program.parent.mkdir()
    program.write_text(
        f"#!{sys.executable}\n"
        "import socket, stat, os, sys\n"
        "words = sys.argv\n"
        "if os.stat(words[words.index('-i') + 1]).st_mode & 0o077: sys.exit('UNPROTECTED PRIVATE KEY FILE!')\n"
        "path = words[words.index('-L') + 1].partition(':')[0]\n"
        "if len(path) + 17 > 107: sys.exit(f'unix_listener: path \"{path}\" too long for Unix domain socket')\n"
        "listening = socket.socket(socket.AF_UNIX)\n"
        "listening.bind(path)\n"
        "listening.listen()\n"
        "while True:\n"
        "    line, _ = listening.accept()\n"
        f"    line.recv(100); line.sendall({ANSWER!r}); line.close()\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.usefixtures("fake_ssh")
@pytest.mark.parametrize("depth", [0, 1, 8])
def test_socket_path_stays_short_in_a_deep_folder_for_temporary_files(
    depth: int, keys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path.joinpath(*["a-folder-name-of-30-characters"] * depth)
    deep.mkdir(parents=True, exist_ok=True)
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    with tunnel.docker_socket(keys) as address:
        assert len(address.removeprefix("unix://")) <= 107 - 17
    assert (keys / "id_ed25519").stat().st_mode & 0o077 == 0

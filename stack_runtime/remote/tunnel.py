"""Forward the server's Docker socket to a local socket, with `ssh`, the stack's key and the pinned host key."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stack_runtime.docker_endpoint import SOCKET_PATH_BYTES
from stack_runtime.errors import UnreachableError
from stack_runtime.remote import DEPLOY_USER, known_hosts, restrict_keys, ssh_options
from stack_runtime.text import last_line

DEADLINE_S = 20.0
_ADVICE = "fds up, which switches the server on, or allow this machine's address in the setting sshFrom"


def require_ssh() -> None:
    """Check that the program `ssh` is installed; Pulumi's Docker provider starts it too.

    Raises:
        UnreachableError: `ssh` is not installed.
    """
    if shutil.which("ssh") is None:
        raise UnreachableError("the program ssh is missing", where="PATH", next_command="install openssh-client")


@contextmanager
def docker_socket(folder: Path) -> Iterator[str]:
    """Forward the server's Docker socket while the block runs; yield the local address for a Docker client.

    Args:
        folder: folder with the stack's key files, as `write_access` wrote them.

    Raises:
        UnreachableError: the stack was not deployed from this project yet, `ssh` is missing or cannot log in to the
            server, Docker on the server does not answer, or the permissions of the key files cannot be restricted.
    """
    require_ssh()
    restrict_keys(folder)
    known = known_hosts(folder).read_text(errors="replace") if known_hosts(folder).exists() else ""
    if not known.strip():
        raise UnreachableError("no server is known here yet", where=str(folder), next_command="fds up")
    address, port = destination(known)
    with tempfile.TemporaryDirectory(prefix="fds-", dir=_short_folder()) as place:
        local = Path(place) / "docker.sock"
        words = ["ssh", *ssh_options(folder), "-nNT", "-o", "ExitOnForwardFailure=yes", "-p", port]
        words += ["-L", f"{local}:/var/run/docker.sock", f"{DEPLOY_USER}@{address}"]
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace")
        try:
            _wait(process, local, address)
            yield f"unix://{local}"
        finally:
            process.terminate()
            process.wait(timeout=10)


def destination(known: str) -> tuple[str, str]:
    """Return address and port of the first entry in the text of a known_hosts file.

    An entry is `ADDRESS KEY` or `[ADDRESS]:PORT KEY`.
    """
    name = known.split()[0]
    if name.startswith("["):
        address, _, port = name[1:].rpartition("]:")
        return address, port
    return name, "22"


def _short_folder() -> str:
    """Return the folder for the socket: the temporary folder, or `/tmp` if the path of the socket would be too long.

    `ssh` first binds a path with a random suffix of 17 bytes, so the limit applies to the path with this suffix.
    """
    usual = tempfile.gettempdir()
    longest = len(os.fsencode(usual)) + len("/fds-xxxxxxxx/docker.sock") + 17
    return usual if longest <= SOCKET_PATH_BYTES else "/tmp"


def _wait(process: subprocess.Popen[str], local: Path, address: str) -> None:
    until = time.monotonic() + DEADLINE_S
    while not _docker_answers(local):
        if process.poll() is not None or time.monotonic() > until:
            what = f"Docker on {address} does not answer" if local.exists() else f"SSH to {address} failed"
            process.kill()
            errors = process.communicate()[1] or ""
            raise UnreachableError(f"{what}: {last_line(errors, 'no reason given')}", next_command=_ADVICE)
        time.sleep(0.1)


def _docker_answers(local: Path) -> bool:
    """Return whether a Docker daemon answers on the forwarded socket."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as line:
        line.settimeout(DEADLINE_S)
        line.connect(str(local))
        line.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
        return line.recv(5) == b"HTTP/"
    return False

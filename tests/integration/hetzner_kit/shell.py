"""Run commands on a simulated server over SSH; the host key of the server is pinned."""

from __future__ import annotations

import contextlib
import io
import time
from dataclasses import dataclass
from threading import Event

import paramiko
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from paramiko.hostkeys import HostKeyEntry

PAUSE_S = 0.1


def key_pair() -> tuple[str, str]:
    """Return the private and public part of a new ed25519 key, in OpenSSH's format."""
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode(), public.decode()


@dataclass(frozen=True)
class Shell:
    """Log in to one server over SSH as root; refuse every host key except `host_key`."""

    address: str
    login_key: str
    host_key: str

    def connect(self) -> paramiko.SSHClient:
        """Try to connect once, and return the client.

        Raises:
            OSError | paramiko.SSHException: the server does not answer, has another host key, or refuses the login key.
        """
        client = paramiko.SSHClient()
        pinned = HostKeyEntry.from_line(f"{self.address} {self.host_key}")
        assert pinned is not None
        client.get_host_keys().add(self.address, "ssh-ed25519", pinned.key)
        client.set_missing_host_key_policy(paramiko.RejectPolicy())
        key = paramiko.Ed25519Key.from_private_key(io.StringIO(self.login_key))
        client.connect(
            self.address, username="root", pkey=key, allow_agent=False, look_for_keys=False, timeout=5,
            banner_timeout=5,
        )  # fmt: skip
        return client

    def until(self, command: str, seconds: float) -> float:
        """Repeat a command until it succeeds, even if connections fail during a boot; return the elapsed seconds.

        Raises:
            TimeoutError: the command did not succeed within `seconds`.
        """
        start = time.monotonic()
        while time.monotonic() - start < seconds:
            with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
                if self.run(command)[0] == 0:
                    return time.monotonic() - start
            Event().wait(PAUSE_S)
        raise TimeoutError(f"{command} did not succeed within {seconds} s on {self.address}")

    def run(self, command: str, timeout: float = 120) -> tuple[int, str]:
        """Run a command; return its exit code, and its stdout and stderr as one text."""
        with self.connect() as client:
            _, output, _ = client.exec_command(f"exec 2>&1; {command}", timeout=timeout)
            text = output.read().decode()
            return output.channel.recv_exit_status(), text.strip()

    def check(self, command: str, timeout: float = 120) -> str:
        """Run a command that must succeed, and return its output."""
        code, text = self.run(command, timeout)
        assert code == 0, f"{command}: {text}"
        return text

"""Show a server's host key to a person, pin it (store it as the accepted key), and compare it before deployments."""

from __future__ import annotations

import base64
import hashlib
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from infra.settings import Settings
from stack_runtime.errors import HostKeyError, UnreachableError, UsageError
from stack_runtime.paths import keys_folder
from stack_runtime.remote import known_hosts, write_private
from stack_runtime.remote.tunnel import require_ssh

SCAN_S = 10
"""How long the server may take to show its host keys, in seconds."""
KINDS = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa")
"""Kinds of host keys that can be pinned, the preferred one first. Once a key is pinned, `ssh` asks for its kind."""


@dataclass(frozen=True)
class HostKey:
    """A public host key: its kind, and its content in base64."""

    kind: str
    content: str

    @property
    def fingerprint(self) -> str:
        """The fingerprint that `ssh-keygen -l` shows."""
        digest = hashlib.sha256(base64.b64decode(self.content)).digest()
        return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def destination(settings: Settings) -> str:
    """Return the server's name as it is written in a `known_hosts` file."""
    return settings.ssh_host if settings.ssh_port == 22 else f"[{settings.ssh_host}]:{settings.ssh_port}"


def scan(settings: Settings) -> HostKey:
    """Return the host key that the server shows now; if it shows several, the one of the most preferred kind.

    Raises:
        UnreachableError: no SSH server answers, or none of its keys is of a supported kind.
    """
    require_ssh()
    command = ["ssh-keyscan", "-T", str(SCAN_S), "-p", str(settings.ssh_port), "-t", "ed25519,ecdsa,rsa"]
    done = subprocess.run([*command, "--", settings.ssh_host], capture_output=True, text=True, errors="replace")
    found = [key for line in done.stdout.splitlines() if (key := _parsed(line))]
    if not found:
        said = [line for line in done.stderr.splitlines() if not line.startswith("#")]
        raise UnreachableError(
            f"no SSH server answers at {destination(settings)}{f': {said[-1][:200]}' if said else ''}",
            where=f"Pulumi.{settings.stack}.yaml",
            next_command="check that the server is on, and correct sshHost and sshPort",
        )
    return min(found, key=lambda key: KINDS.index(key.kind))


def _parsed(line: str) -> HostKey | None:
    """Return the key in a line of a `known_hosts` file; None for comments, unsupported kinds and invalid lines."""
    words = line.split()
    if len(words) < 3 or line.startswith("#") or words[1] not in KINDS:
        return None
    try:
        base64.b64decode(words[2], validate=True)
    except ValueError:  # not base64, or not even ASCII
        return None
    return HostKey(words[1], words[2])


def pinned(folder: Path) -> HostKey | None:
    """Return the pinned key; None if no key is pinned yet.

    Args:
        folder: the folder of the stack's key files.
    """
    try:
        lines = known_hosts(folder).read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return None
    return next((key for line in lines if (key := _parsed(line))), None)


def pin(settings: Settings, folder: Path, key: HostKey) -> None:
    """Pin the key, and replace a key that was pinned before."""
    file, entry = known_hosts(folder), f"{destination(settings)} {key.kind} {key.content}\n"
    if not file.exists() or file.read_text(encoding="utf-8") != entry:
        write_private(file, entry)


def check(settings: Settings, project: Path) -> HostKey:
    """Return the pinned key after checking that the server shows it.

    Raises:
        UnreachableError: the server does not answer.
        HostKeyError: the server shows another key, or no key is pinned yet.
    """
    return trust(settings, project)


def trust(settings: Settings, project: Path, ask: Callable[[str], str] | None = None, accepted: str = "") -> HostKey:
    """Pin the server's key if a person accepts it or has accepted it before, and return it.

    If the pinned key appears at another address, it is the same server, so `known_hosts` gets the new address without a
    question.

    Args:
        ask: shows a text and returns the typed answer; None without a terminal.
        accepted: fingerprint that was accepted beforehand; its key may replace another pinned key.

    Raises:
        UnreachableError: the server does not answer.
        HostKeyError: the server shows a key that is neither pinned nor accepted.
        UsageError: the person did not type `yes`.
    """
    folder = keys_folder(project, settings.stack)
    known, shown = pinned(folder), scan(settings)
    if known != shown and accepted != shown.fingerprint:
        if accepted:
            raise _refusal(settings, f"{shown.fingerprint}, not the accepted {accepted}", shown)
        if known is not None:
            raise _refusal(settings, f"{shown.fingerprint}, not the pinned {known.fingerprint}", shown)
        if ask is None:
            raise _refusal(settings, f"{shown.fingerprint}, which nobody has accepted yet", shown)
        question = (
            f"The server at {destination(settings)} shows the host key {shown.fingerprint} ({shown.kind}).\n"
            "Compare it with `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` on its console. Type yes to accept it"
        )
        if ask(question) != "yes":
            raise UsageError("the host key was not accepted, nothing was changed", next_command=_way(settings, shown))
    pin(settings, folder, shown)
    return shown


def _refusal(settings: Settings, what: str, shown: HostKey) -> HostKeyError:
    return HostKeyError(
        f"the server at {destination(settings)} shows the host key {what}, so it is refused",
        next_command=f"compare it on the server's console; if it is the server's own, {_way(settings, shown)}",
    )


def _way(settings: Settings, shown: HostKey) -> str:
    return f"fds setup --stack {settings.stack} --accept-host-key {shown.fingerprint}"

"""The server from outside: who may reach it, with which keys, and the commands that run there."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stack_runtime.errors import UnreachableError
from stack_runtime.files import write_atomically
from stack_runtime.remote.keys import public_half

DEPLOY_USER = "deploy"
HOST_COMMAND = "/usr/local/sbin/fds-host"
"""The one command that the deploy user may run as root."""


@dataclass(frozen=True)
class Access:
    """How to reach one server. The files lie in `folder`; the private keys never leave it but to the server itself."""

    address: str
    folder: Path
    host_key: str
    """Private half of the lasting host key: handed over once, at the first connection."""
    boot_key_public: str

    def ssh_options(self) -> list[str]:
        """Options for the `ssh` command that reach this server."""
        return ssh_options(self.folder)

    @property
    def key_file(self) -> Path:
        """The private key that logs in."""
        return self.folder / "id_ed25519"


def ssh_options(folder: Path) -> list[str]:
    """Options for the `ssh` command: the key of this folder and no other, its host key and no other."""
    settings = {
        "IdentitiesOnly": "yes",
        "UserKnownHostsFile": f'"{folder / "known_hosts"}"',  # else two files, where the path has a space
        "GlobalKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "yes",
        "BatchMode": "yes",
        "ConnectTimeout": 15,
        "ServerAliveInterval": 10,
        "ServerAliveCountMax": 6,
    }
    words = ["-F", "none", "-i", str(folder / "id_ed25519")]
    return words + [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]


def write_access(folder: Path, address: str, secrets: Mapping[str, str]) -> Access:
    """Put the key files where `ssh` can read them, for the owner alone.

    Args:
        secrets: `ssh_key`, `ssh_host_key`, `ssh_boot_key`: private keys in OpenSSH's PEM form.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    access = Access(address, folder, secrets["ssh_host_key"], public_half(secrets["ssh_boot_key"]))
    write_atomically(access.key_file, secrets["ssh_key"], mode=0o600)
    write_atomically(folder / "known_hosts", f"{address} {public_half(secrets['ssh_host_key'])}\n", mode=0o600)
    restrict_keys(folder)
    return access


def restrict_keys(folder: Path) -> None:
    """Take the rights of other users away from the key files: `ssh` does not use a private key that others can read.

    Raises:
        UnreachableError: the rights stay, as on a Windows drive in WSL, or because the files are another user's.
    """
    for path in (folder, folder / "id_ed25519"):
        if not path.exists() or not path.stat().st_mode & 0o077:
            continue
        with contextlib.suppress(PermissionError):
            path.chmod(path.stat().st_mode & 0o700)
        if path.stat().st_mode & 0o077:
            raise UnreachableError(
                "other users may read the key of the server, so ssh refuses it, and this cannot be changed there",
                where=str(path),
                next_command="move the project to a folder of your own on a Linux file system",
            )

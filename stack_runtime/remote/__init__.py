"""Define SSH access to the server: its user, key files and options."""

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
"""Path of the only command that the deploy user may run as root."""


@dataclass(frozen=True)
class Access:
    """SSH access to one server. The key for the login and the pinned host key are files in `folder`."""

    address: str
    folder: Path
    host_key: str
    """Private key of the server's permanent host key pair; it is sent to the server at the first connection."""
    boot_key_public: str
    """Public key of the host key pair that the server uses during its first boot."""

    def ssh_options(self) -> list[str]:
        """Return the options of the `ssh` command for this server."""
        return ssh_options(self.folder)

    @property
    def key_file(self) -> Path:
        """Path of the private key for the login."""
        return key_file(self.folder)


def key_file(folder: Path) -> Path:
    """Return the path of the private key for the login."""
    return folder / "id_ed25519"


def known_hosts(folder: Path) -> Path:
    """Return the path of the file with the server's address and pinned host key."""
    return folder / "known_hosts"


def ssh_options(folder: Path, *, own_key: bool = True) -> list[str]:
    """Return options that make `ssh` accept only the pinned host key in `folder`.

    Args:
        own_key: if True, `ssh` logs in only with the private key in `folder`; if False, with the SSH agent and the
            user's keys.
    """
    settings = {
        # Quote the path, because ssh would read a path with a space as two files.
        "UserKnownHostsFile": f'"{known_hosts(folder)}"',
        "GlobalKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "yes",
        "BatchMode": "yes",
        "ConnectTimeout": 15,
        "ServerAliveInterval": 10,
        "ServerAliveCountMax": 6,
    }
    words = ["-F", "none"]
    if own_key:
        words += ["-i", str(key_file(folder)), "-o", "IdentitiesOnly=yes"]
    return words + [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]


def write_access(folder: Path, address: str, secrets: Mapping[str, str]) -> Access:
    """Write the login key and the pinned host key into `folder` for `ssh`; return the access that uses them.

    Args:
        secrets: the private keys `ssh_key`, `ssh_host_key` and `ssh_boot_key` in OpenSSH's PEM format.
    """
    access = Access(address, folder, secrets["ssh_host_key"], public_half(secrets["ssh_boot_key"]))
    write_private(access.key_file, secrets["ssh_key"])
    write_private(known_hosts(folder), f"{address} {public_half(secrets['ssh_host_key'])}\n")
    restrict_keys(folder)
    return access


def restrict_keys(folder: Path) -> None:
    """Remove other users' permissions on `folder` and its private key: `ssh` refuses a key that others can read.

    Raises:
        UnreachableError: the permissions cannot be changed, for example on a Windows drive in WSL.
    """
    for path in (folder, key_file(folder)):
        if not path.exists() or not path.stat().st_mode & 0o077:
            continue
        with contextlib.suppress(PermissionError):
            path.chmod(path.stat().st_mode & 0o700)
        if path.stat().st_mode & 0o077:
            raise UnreachableError(
                "other users may read the key of the server, so ssh refuses it, and its permissions cannot be changed",
                where=str(path),
                next_command="move the project to your own folder on a Linux file system",
            )


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read; if the process is killed, the file has the old or the new content."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_atomically(path, text, mode=0o600)

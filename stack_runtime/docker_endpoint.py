"""Find the Docker daemon of the current user, in the same way as the `docker` command does."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stack_runtime.errors import UnreachableError

DEFAULT_ADDRESS = "unix:///var/run/docker.sock"
SOCKET_PATH_BYTES = 107
"""Maximum length of the path of a Unix socket on Linux, in bytes."""


@dataclass(frozen=True)
class Endpoint:
    """The address of a Docker daemon, and the variable or context that selected it."""

    address: str
    certificates: str = ""
    """Folder with `ca.pem`, `cert.pem` and `key.pem` for TLS; empty without TLS."""
    chosen_by: str = ""
    """The environment variable or Docker context that names the daemon; empty for the default socket."""
    other_choice: str = ""
    """Advice for an error message: how to select another daemon."""

    @property
    def is_local(self) -> bool:
        """Whether the address is a Unix socket of this machine."""
        return self.address.startswith("unix:")

    def options(self) -> list[str]:
        """Return the options that make the `docker` command use this daemon."""
        names = {"--tlscacert": "ca.pem", "--tlscert": "cert.pem", "--tlskey": "key.pem"}
        files = [f"{option}={Path(self.certificates, name)}" for option, name in names.items()]
        return ["--host", self.address, *(["--tlsverify", *files] if self.certificates else [])]

    def __str__(self) -> str:
        return f"{self.address}, from {self.chosen_by}" if self.chosen_by else self.address


def local_endpoint(environment: Mapping[str, str] = os.environ) -> Endpoint:
    """Return the daemon that `DOCKER_HOST` names, else that of the current Docker context, else the default socket.

    Raises:
        UnreachableError: the context does not exist, or its description cannot be read.
    """
    if address := environment.get("DOCKER_HOST"):
        return Endpoint(address, _certificates(environment), "DOCKER_HOST", "unset DOCKER_HOST")
    variable = environment.get("DOCKER_CONTEXT")
    name = variable or _current_context(environment)
    if name in ("", "default"):
        return Endpoint(DEFAULT_ADDRESS)
    other = "unset DOCKER_CONTEXT" if variable else "docker context use default"
    identity = hashlib.sha256(name.encode()).hexdigest()
    contexts = _folder(environment) / "contexts"
    try:
        described = json.loads((contexts / "meta" / identity / "meta.json").read_text())
        address = str(described["Endpoints"]["docker"]["Host"])
    except FileNotFoundError:
        what = f"there is no Docker context {name}"
        raise UnreachableError(what, next_command=f"docker context ls, or {other}") from None
    except (OSError, ValueError, LookupError, TypeError):
        what = f"the Docker context {name} cannot be read"
        raise UnreachableError(what, next_command=f"docker context inspect {name}, or {other}") from None
    tls = contexts / "tls" / identity / "docker"
    return Endpoint(address, str(tls) if tls.is_dir() else "", f"Docker context {name}", other)


def _folder(environment: Mapping[str, str]) -> Path:
    """Return the folder of the user's Docker configuration."""
    chosen = environment.get("DOCKER_CONFIG")
    return Path(chosen) if chosen else Path.home() / ".docker"


def _current_context(environment: Mapping[str, str]) -> str:
    """Return the name of the context that `docker context use` selected; empty if no context was selected."""
    try:
        return str(json.loads((_folder(environment) / "config.json").read_text()).get("currentContext") or "")
    except (OSError, ValueError, AttributeError):
        return ""


def _certificates(environment: Mapping[str, str]) -> str:
    """Return the folder of the TLS files for the daemon of `DOCKER_HOST`.

    The result is empty if neither `DOCKER_CERT_PATH` nor `DOCKER_TLS_VERIFY` is set.
    """
    if folder := environment.get("DOCKER_CERT_PATH"):
        return folder
    return str(_folder(environment)) if environment.get("DOCKER_TLS_VERIFY") else ""

"""Convert failures of a Docker daemon, a credential helper or an image hub to errors with the next command."""

from __future__ import annotations

import json
import os
import pwd
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

import docker
from docker.errors import APIError, DockerException
from docker.utils.config import find_config_file

from stack_runtime.docker_endpoint import SOCKET_PATH_BYTES, Endpoint
from stack_runtime.errors import UnreachableError

RATE_LIMIT = re.compile(r"toomanyrequests|\b429 Too Many Requests|pull rate limit", re.IGNORECASE)
_REFUSED = re.compile(r"\b(unauthorized|denied): |unexpected HTTP status: 5\d\d", re.IGNORECASE)
RATE_LIMIT_ADVICE = "docker login, or wait until the limit resets (six hours at most), or let the daemon use a mirror"
UNUSED_REGISTRY = "unused.invalid"
"""Name of a registry that does not exist, for the `auths` of the configuration given to the Docker SDK. If they were
empty, the SDK would read the user's own configuration."""


class DockerAccessError(UnreachableError):
    """The daemon runs, but this user may not use its socket."""


def explain(error: Exception, endpoint: Endpoint) -> UnreachableError:
    """Return the error for the user when `error` prevents the use of the daemon at `endpoint`."""
    words = " ".join(str(error).split())
    path = endpoint.address.removeprefix("unix://")
    if endpoint.is_local and "Permission denied" in words:
        return DockerAccessError("this user may not use Docker", where=str(endpoint), next_command=_join_group(path))
    if endpoint.is_local and len(os.fsencode(path)) > SOCKET_PATH_BYTES:
        what = f"the path of Docker's socket is longer than the {SOCKET_PATH_BYTES} bytes that Linux allows"
        return UnreachableError(what, where=str(endpoint), next_command="use a socket with a shorter path")
    if not endpoint.chosen_by:
        return UnreachableError("Docker is not running", where=str(endpoint), next_command="fds setup")
    what = "Docker is not running" if endpoint.is_local else f"Docker does not answer: {words[:300]}"
    return UnreachableError(what, where=str(endpoint), next_command=f"start it, or {endpoint.other_choice}")


def _join_group(socket: str) -> str:
    """Return how to get access to `socket`: join its group, or work as its owner.

    If its group or owner is unknown, the advice is to run setup.
    """
    try:
        group, owner = Path(socket).group(), Path(socket).owner()
    except (KeyError, OSError):
        return "sudo fds setup"
    if group in ("root", owner):
        return f"use Docker as the user {owner}, who owns the socket"
    try:
        user = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        user = "$USER"
    return f"sudo usermod -aG {group} {user}, then log in again (or: newgrp {group})"


def forget_missing_helpers(client: docker.DockerClient) -> None:
    """Make `client` use no credential helper if the Docker configuration names one that is not installed.

    Otherwise the SDK refuses every pull and build, even of public images, which need no login.
    """
    config = _config()
    if not _missing_helpers(config):
        return
    kept = {"auths": {**(config.get("auths") or {}), UNUSED_REGISTRY: {}}}
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(kept, file)
        file.flush()
        client.api.reload_config(dockercfg_path=file.name)


def _missing_helpers(config: dict[str, Any]) -> set[str]:
    """Return the credential helpers that the Docker configuration names but that are not on PATH."""
    names = {config.get("credsStore") or "", *(config.get("credHelpers") or {}).values()} - {""}
    programs = {f"docker-credential-{name}" for name in names}
    return {program for program in programs if shutil.which(program) is None}


def _config() -> dict[str, Any]:
    """Return the Docker configuration that the SDK reads; empty if the file is missing or not a JSON object."""
    try:
        found = json.loads(Path(_config_file()).read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _config_file() -> str:
    """Return the path of the Docker configuration that the SDK reads; empty if there is none."""
    return os.fsdecode(find_config_file() or "")  # type: ignore[arg-type]


def hub_refuses(error: DockerException) -> bool:
    """Return whether `error` says that the image hub refused the request, which means that the hub is reachable.

    In this case, setup must not replace the hub's images with stand-ins, which are for machines that reach no hub.
    """
    words = str(error)
    return bool(RATE_LIMIT.search(words) or _REFUSED.search(words))


def pull(client: docker.DockerClient, image: str) -> None:
    """Pull `image`.

    Raises:
        UnreachableError: the image cannot be pulled; the message gives the reason.
    """
    try:
        client.images.pull(image)
    except DockerException as error:
        raise not_pulled(image, error) from None


def not_pulled(image: str, error: DockerException) -> UnreachableError:
    """Return the error for the user when `error` prevents the pull of `image`."""
    reason = (error.explanation if isinstance(error, APIError) else None) or str(error)
    words = " ".join(str(reason).split())[:300]
    missing = ", ".join(sorted(_missing_helpers(_config())))
    without = f"; pulled without a login, because {missing} is not installed" if missing else ""
    if RATE_LIMIT.search(words):
        what = f"the image hub allows no more downloads for now, so {image} cannot be pulled{without}"
        return UnreachableError(what, next_command=f"{RATE_LIMIT_ADVICE}, then fds setup")
    if "Credentials store error" in words:
        what = f"the credential helper of Docker fails, so {image} cannot be pulled: {words}"
        advice = f"repair it, or remove it from {_config_file()}, then fds setup"
        return UnreachableError(what, next_command=advice)
    return UnreachableError(f"image {image} cannot be pulled: {words}{without}", next_command="fds setup")

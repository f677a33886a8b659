"""Which token opens the Hetzner project of a stack: the one in its file, encrypted, as for Pulumi's own provider."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from infra import stack_file
from stack_runtime.errors import StackError, UnreachableError, UsageError
from stack_runtime.paths import project_dir

VARIABLE = "HCLOUD_TOKEN"
KEY = "hcloud:token"

_told: dict[str, str] = {}


def tell(stack: str, config: Mapping[str, str]) -> None:
    """Take the token of `stack` from configuration that is decrypted already, as it is inside the engine."""
    if config.get(KEY):
        _told[stack] = config[KEY]


def find(stack: str, project: Path | None = None) -> str | None:
    """The token in the file of `stack`, else the one in `HCLOUD_TOKEN`: the order of Pulumi's provider.

    Args:
        project: the folder of the stack files; None for the project of the current folder.

    Raises:
        StackError: the one in the file cannot be decrypted.
    """
    return stored(stack, project) or os.environ.get(VARIABLE) or None


def stored(stack: str, project: Path | None = None) -> str:
    """The token in the file of `stack`, or an empty text.

    Raises:
        StackError: it cannot be decrypted.
    """
    if stack not in _told:
        tell(stack, {KEY: _in_file(stack, project)})
    return _told.get(stack, "")


def require(stack: str) -> str:
    """The same.

    Raises:
        UnreachableError: there is none.
    """
    found = find(stack)
    if found is None:
        raise UnreachableError(f"HCLOUD_TOKEN is not set, nor is a token for stack {stack} stored",
                               next_command=f"fds setup --stack {stack}")  # fmt: skip
    return found


def _in_file(stack: str, project: Path | None) -> str:
    try:
        project = project or project_dir()
        entry = stack_file.config(project, stack).get(KEY, "")
    except UsageError:
        return ""  # no project or no such stack: whoever needs its settings says so
    return entry if isinstance(entry, str) else _decrypted(project, stack)


def _decrypted(project: Path, stack: str) -> str:
    from infra.engine import environment

    command = ["pulumi", "config", "get", KEY, "--stack", stack, "--non-interactive"]
    surroundings = {**os.environ, **environment(project, stack)}
    asked = subprocess.run(command, cwd=project, env=surroundings, capture_output=True, text=True)
    if asked.returncode:
        raise StackError(
            "the stored token cannot be decrypted",
            where=f"{KEY} in Pulumi.{stack}.yaml",
            next_command="set PULUMI_CONFIG_PASSPHRASE to the one that it was encrypted with",
        )
    return asked.stdout.strip()

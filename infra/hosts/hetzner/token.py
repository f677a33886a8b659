"""Find the token of a stack's Hetzner project: in the stack file (encrypted), else in the variable `HCLOUD_TOKEN`."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from infra import stack_file
from infra.stack_secrets import TOKEN
from stack_runtime.errors import StackError, UnreachableError, UsageError
from stack_runtime.paths import project_dir
from stack_runtime.text import last_line

VARIABLE = "HCLOUD_TOKEN"

_cached: dict[str, str] = {}


def cache_token(stack: str, config: Mapping[str, str]) -> None:
    """Cache the token of `stack` from a configuration that is already decrypted."""
    if config.get(TOKEN):
        _cached[stack] = config[TOKEN]


def find(stack: str, project: Path | None = None) -> str | None:
    """Return the token in the file of `stack`, else that in `HCLOUD_TOKEN`; Pulumi's provider uses the same order.

    Args:
        project: the folder of the stack files; None for the project of the current folder.

    Raises:
        StackError: the token in the file cannot be decrypted.
    """
    return stored(stack, project) or os.environ.get(VARIABLE) or None


def stored(stack: str, project: Path | None = None) -> str:
    """Return the token in the file of `stack`; empty if there is none.

    Raises:
        StackError: the token cannot be decrypted.
    """
    if stack not in _cached:
        cache_token(stack, {TOKEN: _in_file(stack, project)})
    return _cached.get(stack, "")


def require(stack: str) -> str:
    """Return the token that `find` returns.

    Raises:
        UnreachableError: there is no token.
    """
    found = find(stack)
    if found is None:
        raise UnreachableError(f"HCLOUD_TOKEN is not set, and no token is stored for stack {stack}",
                               next_command=f"fds setup --stack {stack}")  # fmt: skip
    return found


def _in_file(stack: str, project: Path | None) -> str:
    try:
        project = project or project_dir()
        is_stored = TOKEN in stack_file.config(project, stack)
    except UsageError:
        return ""  # not raised here: the code that reads the settings reports what is wrong
    return _decrypted(project, stack) if is_stored else ""


def _decrypted(project: Path, stack: str) -> str:
    from infra.engine.environment import backend_folder, environment

    surroundings = environment(project, stack, make=False)
    backend = surroundings["PULUMI_BACKEND_URL"]
    root = backend_folder(backend)
    if root is not None and not root.is_dir():  # do not call Pulumi, which would create the folder
        raise _no_stack(stack, backend)
    command = ["pulumi", "config", "get", TOKEN, "--stack", stack, "--non-interactive"]
    asked = subprocess.run(command, cwd=project, env={**os.environ, **surroundings}, capture_output=True, text=True)
    if asked.returncode:
        raise _undecrypted(asked.stderr, stack, backend)
    return asked.stdout.strip()


def _undecrypted(said: str, stack: str, backend: str) -> StackError:
    """Return the error for a stored token that Pulumi cannot read; `said` is what Pulumi wrote to standard error."""
    where = f"{TOKEN} in Pulumi.{stack}.yaml"
    reason = last_line(said, "the engine gave no reason").removeprefix("error: ")
    if re.search(r"no stack named .* found", said):
        return _no_stack(stack, backend)
    if re.search(r"passphrase|message authentication failed", said, re.IGNORECASE):
        way = "set PULUMI_CONFIG_PASSPHRASE to the one that encrypted the token"
        return UsageError(f"the stored token cannot be decrypted: {reason}", where=where, next_command=way)
    way = f"fds doctor --stack {stack}"
    return UnreachableError(f"the engine cannot read the stored token: {reason}", where=backend, next_command=way)


def _no_stack(stack: str, backend: str) -> UsageError:
    """Return the error for a stored token whose stack is not in the Pulumi state, so that Pulumi cannot decrypt it."""
    return UsageError(
        f"Pulumi.{stack}.yaml holds a token, but there is no stack {stack} in this state",
        where=backend,
        next_command=f"set PULUMI_BACKEND_URL to the state that has it, or pulumi stack select --create {stack}",
    )

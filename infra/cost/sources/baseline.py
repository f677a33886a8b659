"""Read the stack file of a git revision, the base of a pull request."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from infra import stack_file
from infra.settings import Settings
from stack_runtime.errors import UnreachableError, UsageError


def committed(project: Path, stack: str, revision: str) -> Settings:
    """Return the settings of `stack` at `revision`.

    Raises:
        UsageError: the revision does not exist, or it lacks the file.
        UnreachableError: git is not installed.
    """
    name = stack_file.path_of(project, stack).name
    asked = ["git", "-C", str(project), "show", "--end-of-options", f"{revision}:./{name}"]
    try:
        done = subprocess.run(asked, capture_output=True, check=False)
    except FileNotFoundError:
        raise UnreachableError("git is not installed, but --diff compares with a git revision") from None
    if done.returncode:
        reason = done.stderr.decode(errors="replace").strip().splitlines()
        raise UsageError(
            f"git has no {name} at {revision}: {reason[-1] if reason else 'no reason given'}",
            next_command="fds cost --diff --base REVISION",
        )
    with tempfile.TemporaryDirectory() as folder:
        stack_file.path_of(Path(folder), stack).write_bytes(done.stdout)
        return stack_file.read(Path(folder), stack)

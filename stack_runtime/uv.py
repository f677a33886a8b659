"""Find the program `uv`, which installs tools such as Meltano, whose dependencies conflict with this package's."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from pathlib import Path

from stack_runtime.errors import UnreachableError


def uv() -> list[str]:
    """Return the command that runs uv.

    Raises:
        UnreachableError: no uv in the variable `UV`, on PATH or beside this Python, and no Python module `uv`.
    """
    beside = Path(sys.executable).parent / "uv"
    for candidate in (os.environ.get("UV"), shutil.which("uv"), str(beside)):
        if candidate and os.access(candidate, os.X_OK):
            return [candidate]
    if importlib.util.find_spec("uv"):
        return [sys.executable, "-m", "uv"]
    raise UnreachableError("uv is missing", where="PATH", next_command="pip install 'freelancer-data-stack[local]'")

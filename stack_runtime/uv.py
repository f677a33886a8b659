"""Where uv is: it installs the environments of tools whose dependencies clash with the project's."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from pathlib import Path

from stack_runtime.errors import UnreachableError


def uv() -> list[str]:
    """The command that runs uv.

    Raises:
        UnreachableError: it is neither on PATH, nor beside this Python, nor a module of it.
    """
    beside = Path(sys.executable).parent / "uv"
    for candidate in (os.environ.get("UV"), shutil.which("uv"), str(beside)):
        if candidate and os.access(candidate, os.X_OK):
            return [candidate]
    if importlib.util.find_spec("uv"):
        return [sys.executable, "-m", "uv"]
    raise UnreachableError("uv is missing", where="PATH", next_command="pip install uv, then the same command")

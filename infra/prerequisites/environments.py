"""Python environments of their own, for tools whose dependencies clash with the project's."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from infra.prerequisites.piece import Found, Say, digest, run
from stack_runtime.errors import UnreachableError


@dataclass(frozen=True)
class Environment:
    """The environment of one dependency group, as `uv.lock` has it, in `.venvs/<group>`."""

    project: Path
    group: str

    @property
    def name(self) -> str:
        return f"{self.group} environment"

    def find(self) -> Found | None:
        marker = self._folder / ".fds"
        if marker.is_file() and marker.read_text() == self._wanted() and (self._folder / "bin" / "python").exists():
            return Found(self._wanted(), "built from uv.lock", str(self._folder))
        return None

    def get(self, say: Say) -> Found:
        marker = self._folder / ".fds"
        marker.unlink(missing_ok=True)
        say("installing packages")
        run(
            [*uv(), "sync", "--frozen", "--only-group", self.group, "--no-install-project"],
            what=f"the packages of {self.group} cannot be installed",
            next_command="fds setup",
            cwd=self.project,
            environment={"UV_PROJECT_ENVIRONMENT": str(self._folder)},
            on_line=say,
        )
        marker.write_text(self._wanted())
        return Found(self._wanted(), "built from uv.lock", str(self._folder))

    @property
    def _folder(self) -> Path:
        return self.project / ".venvs" / self.group

    def _wanted(self) -> str:
        locked = [(self.project / name).read_bytes() for name in ("pyproject.toml", "uv.lock")]
        return digest(*locked, sys.version)


def uv() -> list[str]:
    """The command that runs uv.

    Raises:
        UnreachableError: it is neither on PATH, nor where `make` puts it, nor a module of this Python.
    """
    beside = Path(sys.executable).parent / "uv"
    for candidate in (os.environ.get("UV"), shutil.which("uv"), str(beside)):
        if candidate and os.access(candidate, os.X_OK):
            return [candidate]
    if importlib.util.find_spec("uv"):
        return [sys.executable, "-m", "uv"]
    raise UnreachableError("uv is missing", where="PATH", next_command="make setup")

"""Find and create the virtualenv of a Pulumi program, and list the provider packages in it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class ToolchainError(Exception):
    """The toolchain or its virtualenv cannot be used; the message is the reason."""


def _upwards(start: Path, name: str) -> Path | None:
    """Return `start` or the nearest of its parents that contains the file `name`; None if no folder contains it."""
    return next((folder for folder in (start, *start.parents) if (folder / name).is_file()), None)


class Toolchain:
    """The virtualenv that the runtime options in `Pulumi.yaml` select. `root` is the folder of `Pulumi.yaml`."""

    def __init__(self, root: Path, options: Mapping[str, Any]) -> None:
        self.root = root
        self.name = str(options.get("toolchain") or "pip").lower()
        if self.name not in ("uv", "pip"):
            raise ToolchainError(f"the offline language host supports the toolchains uv and pip, not {self.name}")
        self._given = str(options.get("virtualenv") or "")
        if self.name == "uv" and shutil.which("uv") is None:
            raise ToolchainError("toolchain uv: there is no `uv` on PATH; install it with `pip install uv`")

    @property
    def environment(self) -> Path | None:
        """Return the virtualenv's folder; None if the program uses `PULUMI_PYTHON_CMD` or the `python3` on PATH."""
        if self._given:
            return self.root / self._given
        if self.name == "pip":
            return None
        project = _upwards(self.root, "uv.lock") or _upwards(self.root, "pyproject.toml") or self.root
        return project / (os.environ.get("UV_PROJECT_ENVIRONMENT") or ".venv")

    @property
    def python(self) -> str:
        """Return the path of the interpreter.

        Raises:
            ToolchainError: the virtualenv does not exist.
        """
        folder = self.environment
        if folder is None:
            return os.environ.get("PULUMI_PYTHON_CMD") or shutil.which("python3") or sys.executable
        python = folder / "bin" / "python"
        if not python.is_file():
            raise ToolchainError(f"'{folder}' is not a virtualenv; next: pulumi install")
        return str(python)

    def sync(self, *flags: str) -> None:
        """Update the virtualenv of a uv project to its lock file; do nothing for other toolchains.

        Raises:
            ToolchainError: uv failed; the error has uv's message.
        """
        if self.name != "uv" or _upwards(self.root, "pyproject.toml") is None:
            return
        done = subprocess.run(
            ["uv", "sync", *flags], cwd=self.root, env=self.variables(), capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise ToolchainError(f"uv sync failed: {done.stderr.strip()}")

    def variables(self) -> dict[str, str]:
        """Return the environment variables of this process, changed so that the virtualenv is active."""
        variables = {**os.environ, "PYTHONUNBUFFERED": "1"}
        variables.pop("PYTHONHOME", None)
        folder = self.environment
        if folder is not None:
            variables["VIRTUAL_ENV"] = str(folder)
            variables["PATH"] = f"{folder / 'bin'}{os.pathsep}{variables.get('PATH', '')}"
            if self.name == "uv":
                variables["UV_PROJECT_ENVIRONMENT"] = str(folder)
        return variables

    def packages(self) -> list[dict[str, Any]]:
        """Return a dict for each installed provider package: its name and the content of its `pulumi-plugin.json`."""
        folder = self.environment
        if folder is None:
            sites = [Path(entry) for entry in sys.path if entry.endswith("site-packages")]
        else:
            sites = list(folder.glob("lib/python3*/site-packages"))
        found = []
        for path in sorted(path for site in sites for path in site.glob("*/pulumi-plugin.json")):
            try:
                plugin = json.loads(path.read_text(encoding="utf-8"))
            except ValueError as error:
                raise ToolchainError(f"{path}: {error}") from error
            if plugin.get("resource") and plugin.get("version"):
                found.append({"name": path.parent.name.removeprefix("pulumi_").replace("_", "-"), **plugin})
        return found

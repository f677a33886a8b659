"""Install the product as users do: a wheel in a virtualenv that does not use this repository."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from stack_runtime.uv import uv
from tests.kit.project import OTHERS, ROOT


@dataclass(frozen=True)
class Installed:
    """A virtualenv in which the wheel is installed; its search paths do not contain the repository."""

    environment: Path
    cache: Path

    @property
    def python(self) -> Path:
        return self.environment / "bin" / "python"

    def variables(self, **more: str) -> dict[str, str]:
        """Return the environment variables of a command in this virtualenv, with a separate cache."""
        kept = {name: value for name, value in os.environ.items() if name not in (*OTHERS, "PYTHONPATH", "VIRTUAL_ENV")}
        path = [folder for folder in kept["PATH"].split(os.pathsep) if not Path(folder).is_relative_to(ROOT)]
        return {**kept, "PATH": os.pathsep.join(path), "FDS_CACHE_DIR": str(self.cache), **more}

    def run(self, *words: str, cwd: Path) -> str:
        """Run the Python of this virtualenv and return the output."""
        done = subprocess.run([self.python, *words], cwd=cwd, env=self.variables(), capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def build(folder: Path, source: Path = ROOT) -> Path:
    """Build a source distribution of `source`, and from it the wheel, both into `folder`; return the wheel."""
    _uv("build", "--quiet", "--out-dir", str(folder), str(source))
    (wheel,) = folder.glob("*.whl")
    return wheel


def install(wheel: Path, folder: Path, extras: str = "") -> Installed:
    """Install the wheel, with extras such as `[local]`, into a new virtualenv below `folder`."""
    environment = folder / "venv"
    _uv("venv", "--quiet", "--python", "3.11", str(environment))
    _uv("pip", "install", "--quiet", "--python", str(environment / "bin" / "python"), f"{wheel}{extras}")
    return Installed(environment, folder / "cache")


def upgrade(wheel: Path, installed: Installed) -> None:
    """Replace the installed version of the package by the wheel."""
    python = str(installed.python)
    _uv("pip", "install", "--quiet", "--python", python, "--reinstall", "--no-deps", str(wheel))


def _uv(*words: str) -> None:
    variables = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    done = subprocess.run([*uv(), *words], env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

"""Install Meltano and its plugins in separate virtualenvs, and install them again when their declaration has changed.

The versions of Meltano, tap-csv and target-duckdb come from the lock file. The version of a plugin from the package
index comes from the `pip_url` of the plugin, so the user should pin a version there.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

from stack_runtime.content import meltano_project
from stack_runtime.errors import UnreachableError
from stack_runtime.pipeline.paths import ROOT
from stack_runtime.pipeline.sources import declared_loaders, declared_sources
from stack_runtime.uv import uv

ENVIRONMENT = ROOT / ".venvs" / "meltano"
MELTANO = ENVIRONMENT / "bin" / "meltano"
SINGER = ROOT / "data_stack" / "singer"
_SINGER_VARIABLE = "FDS_SINGER"
"""Environment variable with the folder of tap-csv and target-duckdb; a `pip_url` uses it to work on any machine."""

Say = Callable[[str], None]


def system() -> Path:
    """Return the folder with the virtualenvs of the project's plugins."""
    return meltano_project() / ".meltano"


def ready() -> bool:
    """Return whether Meltano and its plugins are installed in the locked and declared versions."""
    return MELTANO.exists() and _mark().exists() and _mark().read_text() == _fingerprint()


def prepare(say: Say) -> None:
    """Install Meltano and its plugins if needed; after a killed or failed installation, the next call repeats it.

    Args:
        say: called with the name of each installation as it begins.

    Raises:
        UnreachableError: uv is missing, or a package cannot be installed.
    """
    if ready():
        return
    ENVIRONMENT.parent.mkdir(exist_ok=True)
    with (ENVIRONMENT.parent / "meltano.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ready():
            _install(say)


def _install(say: Say) -> None:
    system().mkdir(exist_ok=True)
    say("installing Meltano")
    sync = (*uv(), "sync", "--frozen", "--only-group", "meltano", "--no-install-project")
    _call(sync, ROOT, {"UV_PROJECT_ENVIRONMENT": str(ENVIRONMENT)})
    plugins = ("--package", "fds-tap-csv", "--package", "fds-target-duckdb")
    constraints = system() / "constraints.txt"
    export = (*uv(), "export", "--frozen", "--no-dev", "--no-emit-workspace", "--no-hashes", *plugins)
    _call((*export, "--quiet", "--output-file", str(constraints)), ROOT, {})
    # Use a relative path, because uv splits UV_CONSTRAINT at spaces, and an absolute path may contain spaces.
    here = str(constraints.relative_to(meltano_project()))
    for kind, name, pip_url in _plugins():
        say(f"installing {name}")
        locked = {"UV_CONSTRAINT": here} if f"${_SINGER_VARIABLE}/" in pip_url else {}
        own = {_SINGER_VARIABLE: str(SINGER), "NO_COLOR": "1"}
        _call((str(MELTANO), "install", kind, name), meltano_project(), locked | own)
    _mark().write_text(_fingerprint())


def _mark() -> Path:
    """Return the path of the file with the fingerprint of the installed packages."""
    return system() / "installed"


def _plugins() -> list[tuple[str, str, str]]:
    """Return kind, name and `pip_url` of each plugin to install; plugins without `pip_url` need no installation."""
    taps = [("extractor", source.name, str(source.installation["pip_url"] or "")) for source in declared_sources()]
    targets = [("loader", str(item["name"]), str(item.get("pip_url") or "")) for item in declared_loaders()]
    return [plugin for plugin in (*taps, *targets) if plugin[2]]


def _call(command: tuple[str, ...], folder: Path, more: dict[str, str]) -> None:
    # Compile the bytecode during the installation. In a read-only project, or with PYTHONDONTWRITEBYTECODE, a run
    # cannot save bytecode, so every run would compile all modules that it imports.
    compiled = {"UV_COMPILE_BYTECODE": "1"}
    environment = {key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"} | compiled | more
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, errors="replace", check=False
    )
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise UnreachableError(
            f"installation failed: {lines[-1][:300] if lines else f'exit code {done.returncode}'}",
            where=" ".join(command[:2]),
            next_command="run the same command again",
        )


def _fingerprint() -> str:
    """Return a digest of the locked packages, the declared plugins, and the path of the source code."""
    plugins = [(source.name, dict(source.installation)) for source in declared_sources()]
    loaders = [(item.get("name"), item.get("pip_url"), item.get("executable")) for item in declared_loaders()]
    digest = hashlib.sha256(json.dumps([str(ROOT), plugins, loaders], default=str).encode())
    for file in (ROOT / "uv.lock", *sorted(ROOT.glob("data_stack/singer/*/pyproject.toml"))):
        digest.update(file.read_bytes())
    return digest.hexdigest()


if __name__ == "__main__":
    prepare(print)

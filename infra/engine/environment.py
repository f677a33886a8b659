"""Define the environment variables of the Pulumi engine, so that every command finds the same engine and state."""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import shlex
import shutil
import sys
import tempfile
from pathlib import Path

from stack_runtime.errors import UnreachableError
from stack_runtime.files import write_atomically
from stack_runtime.paths import cache_dir, project_dir

VERSION = "3.259.0"
"""Version of the Pulumi engine that `fds setup` installs; equal to the Pulumi SDK's version in `pyproject.toml`."""

PROJECT_VARIABLE = "FDS_PROJECT_DIR"
"""Environment variable with the project's folder, for processes that the engine starts in another folder: the policy
pack, and the program of this repository. The component in a user's own program does not read it."""


def deployed_project() -> Path:
    """Return the folder of the stack files: `FDS_PROJECT_DIR` if set, else the project of the current folder.

    The project is the current folder or its nearest parent with a `Pulumi.yaml`.

    Raises:
        UsageError: the variable is not set, and no project was found.
    """
    named = os.environ.get(PROJECT_VARIABLE)
    return Path(named) if named else project_dir()


def engine_root() -> Path:
    """Return the folder into which `fds setup` downloads the engine; the program is `bin/pulumi` in it."""
    return cache_dir() / "engine" / VERSION


def engine_home() -> Path:
    """Return the folder that the engine uses for all projects: `PULUMI_HOME`, else `.pulumi` in the home folder.

    The home folder comes from the user database, not from the variable `HOME`.
    """
    if chosen := os.environ.get("PULUMI_HOME"):
        return Path(chosen)
    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir, ".pulumi")
    except KeyError:  # the user database has no entry for this user
        return Path.home() / ".pulumi"


def plugins_folder(project: Path) -> Path:
    """Return the project's folder of launchers for stand-in plugins. It is last on PATH, so real plugins come first."""
    return project / ".fds" / "plugins"


def search_path(project: Path) -> str:
    """Return PATH with the project's downloads after the user's own programs."""
    own = [folder for folder in os.environ.get("PATH", os.defpath).split(os.pathsep) if folder]
    fetched = _fetched(project)
    return os.pathsep.join([*(folder for folder in own if folder not in fetched), *fetched])


def _fetched(project: Path) -> list[str]:
    """Return the folders of downloads for PATH: engine, uv (for the Python language host), and launchers of plugins."""
    return [str(engine_root() / "bin"), str(project / ".fds" / "uv" / "bin"), str(plugins_folder(project))]


def write_env_file(project: Path, stack: str) -> Path:
    """Write `.fds/env`. After `. .fds/env`, plain `pulumi` and `fds` work in that shell. The file holds no secret.

    Raises:
        UnreachableError: there is no engine.
    """
    extra = os.pathsep.join([*_fetched(project), str(Path(sys.prefix) / "bin")])
    values = environment(project, stack)
    kept = sorted(name for name in values if name not in ("PATH", "PULUMI_CONFIG_PASSPHRASE"))
    lines = [f'export PATH="$PATH":{shlex.quote(extra)}', *(f"export {n}={shlex.quote(values[n])}" for n in kept)]
    path = project / ".fds" / "env"
    write_atomically(path, "# Written by fds setup, for `. .fds/env`\n" + "\n".join(lines) + "\n")
    return path


def environment(project: Path, stack: str, *, make: bool = True) -> dict[str, str]:
    """Return the environment variables for the engine, such as PATH, its state backend and its passphrase.

    A backend or a passphrase that the user has set is kept.

    Args:
        make: whether to create the state folder and the passphrase if they are missing; False for commands that only
            read.

    Raises:
        UnreachableError: the engine is not installed.
    """
    path = search_path(project)
    if shutil.which("pulumi", path=path) is None:
        raise UnreachableError("the Pulumi engine is missing", next_command="fds setup")
    found = {"PATH": path, "PULUMI_SKIP_UPDATE_CHECK": "true", "PULUMI_BACKEND_URL": _backend(project, make)}
    found[PROJECT_VARIABLE] = str(project)
    # Disable gRPC's fork support, because its code in forked processes of the Pulumi program can break SSH connections
    # (see the comment in `stack_runtime/__init__.py`).
    found["GRPC_ENABLE_FORK_SUPPORT"] = "0"
    # Run the policy pack, and a project of `fds init`, in the virtual environment of this process, because they have
    # none of their own.
    found["PULUMI_PYTHON_CMD"] = sys.executable
    if "PULUMI_CONFIG_PASSPHRASE" in os.environ:
        found["PULUMI_CONFIG_PASSPHRASE"] = os.environ["PULUMI_CONFIG_PASSPHRASE"]
    else:
        chosen = os.environ.get("PULUMI_CONFIG_PASSPHRASE_FILE")
        found["PULUMI_CONFIG_PASSPHRASE_FILE"] = chosen or _passphrase(project, make)
    return found


def _backend(project: Path, make: bool) -> str:
    chosen = os.environ.get("PULUMI_BACKEND_URL")
    if chosen:
        return chosen
    folder = project / ".fds" / "state"
    if make:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return f"file://{folder}"


def backend_folder(backend: str) -> Path | None:
    """Return the folder in which a file backend keeps its state and locks; None for another backend."""
    if not backend.startswith("file://"):
        return None
    return Path(backend.removeprefix("file://")).expanduser() / ".pulumi"


def _passphrase(project: Path, make: bool) -> str:
    """Return the file with the generated passphrase; if two processes create it at once, both use one file."""
    path = project / ".fds" / "passphrase"
    if make and not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix="passphrase.")  # only its owner may read it
        with os.fdopen(descriptor, "w") as stream:
            stream.write(secrets.token_urlsafe(32))
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
        Path(draft).unlink()
    return str(path)

"""The environment in which everything that starts the engine runs, so that all of them meet the same state."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from pathlib import Path

from stack_runtime.errors import UnreachableError
from stack_runtime.paths import cache_dir


def engine_folder() -> Path:
    """Where setup puts an engine that it had to get itself."""
    return cache_dir() / "engine"


def plugins_folder() -> Path:
    """Where setup puts stand-ins for plugins that cannot be downloaded; last on PATH."""
    return cache_dir() / "plugins"


def search_path() -> str:
    """PATH with the engine that setup got behind the user's own programs, and the stand-ins last."""
    own = [folder for folder in os.environ.get("PATH", os.defpath).split(os.pathsep) if folder]
    extra = [str(engine_folder()), str(engine_folder() / "bin"), str(plugins_folder())]
    return os.pathsep.join([*(folder for folder in own if folder not in extra), *extra])


def environment(project: Path, stack: str) -> dict[str, str]:
    """Variables for the engine: where it is, where its state is, and what encrypts the secrets.

    A backend or a passphrase that the user has set is left as it is.

    Raises:
        UnreachableError: there is no engine.
    """
    path = search_path()
    if shutil.which("pulumi", path=path) is None:
        raise UnreachableError("the Pulumi engine is missing", next_command="fds setup")
    found = {"PATH": path, "PULUMI_SKIP_UPDATE_CHECK": "true", "PULUMI_BACKEND_URL": _backend(project)}
    if "PULUMI_CONFIG_PASSPHRASE" in os.environ:
        found["PULUMI_CONFIG_PASSPHRASE"] = os.environ["PULUMI_CONFIG_PASSPHRASE"]
    else:
        found["PULUMI_CONFIG_PASSPHRASE_FILE"] = os.environ.get("PULUMI_CONFIG_PASSPHRASE_FILE") or _passphrase(project)
    return found


def _backend(project: Path) -> str:
    chosen = os.environ.get("PULUMI_BACKEND_URL")
    if chosen:
        return chosen
    folder = project / ".fds" / "state"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return f"file://{folder}"


def _passphrase(project: Path) -> str:
    """A file with a generated passphrase; whoever makes it first wins, so that two starts agree on one."""
    path = project / ".fds" / "passphrase"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        draft = path.with_name(f"passphrase.{os.getpid()}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as stream:
            stream.write(secrets.token_urlsafe(32))
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
        draft.unlink()
    return str(path)

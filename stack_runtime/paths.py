"""Define the project's name and the paths of the shared cache, the project and its local state."""

from __future__ import annotations

import os
from pathlib import Path

from stack_runtime.errors import UsageError

PROJECT = "freelancer-data-stack"
"""Name of the Pulumi project; also the prefix of the keys in the stack file, and the value of the project label."""

IMAGES = "fds"
"""First part of the names of images that are built for a stack, such as `fds/dev-pipeline` for the stack `dev`."""


def cache_dir() -> Path:
    """Return the cache folder for downloaded and built files; if it is deleted, setup fills it again."""
    chosen = os.environ.get("FDS_CACHE_DIR")
    if chosen:
        return Path(chosen).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base).expanduser().absolute() / PROJECT


def project_dir() -> Path:
    """Return the nearest folder with a `Pulumi.yaml`: the current folder or one of its parents.

    Raises:
        UsageError: none of these folders has a `Pulumi.yaml`.
    """
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "Pulumi.yaml").is_file():
            return folder
    raise UsageError("no Pulumi.yaml here or above", where=str(here), next_command="cd into the project")


def state_dir() -> Path:
    """Return the folder of the project's local state (Pulumi state, passphrase, file `env`), which git ignores."""
    return project_dir() / ".fds"


def keys_folder(project: Path, stack: str) -> Path:
    """Return the folder with the key files of a stack's server; only the owner may read it, and git ignores it."""
    return project / ".fds" / "keys" / stack

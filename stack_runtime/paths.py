"""What the project is called, and where things lie: the cache that projects share, the project, and what it keeps."""

from __future__ import annotations

import os
from pathlib import Path

from stack_runtime.errors import UsageError

PROJECT = "freelancer-data-stack"
"""The name in `Pulumi.yaml`; the stack file's keys, the labels and the names of what is made all begin with it."""

RUNS = "fds.runs"
"""The label of a container that says what is run in it on demand: `pipeline`."""


def cache_dir() -> Path:
    """What setup fetched or built. It can be deleted at any time: setup then makes it again."""
    chosen = os.environ.get("FDS_CACHE_DIR")
    if chosen:
        return Path(chosen).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base).expanduser().absolute() / PROJECT


def project_dir() -> Path:
    """The nearest folder, from the current one upwards, that holds a `Pulumi.yaml`.

    Raises:
        UsageError: when there is none.
    """
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "Pulumi.yaml").is_file():
            return folder
    raise UsageError("no Pulumi.yaml here or above", where=str(here), next_command="cd into the project")


def state_dir() -> Path:
    """The project's own state, not for version control: the engine's state, the passphrase, `env`."""
    return project_dir() / ".fds"


def keys_folder(project: Path, stack: str) -> Path:
    """Return the folder with the key files of a stack's server: for the owner alone, and never in version control."""
    return project / ".fds" / "keys" / stack

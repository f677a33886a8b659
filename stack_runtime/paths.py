"""Where things lie: the cache that projects share, the project, and what the project keeps for itself."""

from __future__ import annotations

import os
from pathlib import Path

from stack_runtime.errors import UsageError


def cache_dir() -> Path:
    """What setup fetched or built. It can be deleted at any time: setup then makes it again."""
    chosen = os.environ.get("FDS_CACHE_DIR")
    if chosen:
        return Path(chosen).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base).expanduser().absolute() / "freelancer-data-stack"


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

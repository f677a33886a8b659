"""Install packages of the distribution with apt, as root."""

from __future__ import annotations

import os
import shutil
import subprocess

from infra.prerequisites.prerequisite import run


def can_install() -> bool:
    """Return whether packages can be installed, which needs root and a system with apt, such as Debian."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def exists(package: str) -> bool:
    """Return whether the distribution has this package, by the lists of the last `apt-get update`."""
    return subprocess.run(["apt-cache", "show", package], capture_output=True).returncode == 0


def install(*packages: str) -> None:
    """Install packages of the distribution.

    Raises:
        UnreachableError: a package does not exist, or its archive does not answer.
    """
    what, follow = f"{', '.join(packages)} cannot be installed", f"apt-get update && apt-get install {packages[0]}"
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    run(["apt-get", "update", "-q"], what=what, next_command=follow, environment=quiet)
    command = ["apt-get", "install", "-q", "-y", "--no-install-recommends", *packages]
    run(command, what=what, next_command=follow, environment=quiet)

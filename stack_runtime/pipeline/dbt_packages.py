"""Fetch the packages of the dbt project, and fetch them again when a file that declares packages has changed."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

from stack_runtime.content import dbt_project
from stack_runtime.errors import CheckFailedError

_DECLARED = ("packages.yml", "dependencies.yml", "package-lock.yml")
_FOLDER = "dbt_packages"


def install_packages(scratch: Path) -> None:
    """Fetch the packages that the dbt project declares, unless they were fetched since the declaration last changed.

    Args:
        scratch: folder for dbt's log.

    Raises:
        CheckFailedError: a package cannot be fetched.
    """
    declared = _fingerprint()
    folder = dbt_project() / _FOLDER
    mark = folder / ".fds"
    if declared is None or (mark.is_file() and mark.read_text() == declared):
        return
    scratch.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [dbt_program(), "--no-use-colors", "deps"],
        env=dbt_environment(scratch / "deps.duckdb", scratch),
        capture_output=True, text=True, errors="replace", check=False,
    )  # fmt: skip
    if done.returncode:
        lines = [line for line in done.stdout.splitlines() if line.strip() and "uploading artifacts" not in line]
        raise CheckFailedError(
            f"the packages of the models cannot be fetched: {' '.join(lines[-2:])[:300]}",
            where=str(dbt_project()),
            next_command="fds dbt -- deps",
        )
    folder.mkdir(exist_ok=True)
    mark.write_text(_fingerprint() or "")


def dbt_program() -> str:
    """Return the path of the program `dbt`, which is in the folder of the running Python interpreter."""
    return str(Path(sys.executable).with_name("dbt"))


def dbt_environment(database: Path, target: Path) -> dict[str, str]:
    """Return the environment variables of a dbt process that works on `database` and writes into `target`."""
    return {
        **os.environ,
        "FDS_DUCKDB_PATH": str(database),
        "DBT_PROJECT_DIR": str(dbt_project()),
        "DBT_PROFILES_DIR": str(dbt_project()),
        "DBT_TARGET_PATH": str(target),
        "DBT_LOG_PATH": str(target / "logs"),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DBT_VERSION_CHECK": "false",
    }


def _fingerprint() -> str | None:
    """Return a digest of the files that declare packages; None if all of these files are missing."""
    files = [file for name in _DECLARED if (file := dbt_project() / name).is_file()]
    if not files:
        return None
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()


if __name__ == "__main__":
    install_packages(Path(sys.argv[1]))

"""Fetch the packages of the dbt project, once and after each change of `packages.yml` or its lock."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

from stack_runtime.errors import CheckFailedError
from stack_runtime.pipeline.paths import DBT_PROJECT

_DECLARED = ("packages.yml", "dependencies.yml", "package-lock.yml")
_FOLDER = DBT_PROJECT / "dbt_packages"


def install_packages(scratch: Path) -> None:
    """Fetch the packages that the project declares, unless the same declaration was fetched before.

    Args:
        scratch: folder for dbt's log.

    Raises:
        CheckFailedError: a package cannot be fetched.
    """
    declared = _fingerprint()
    mark = _FOLDER / ".fds"
    if declared is None or (mark.is_file() and mark.read_text() == declared):
        return
    scratch.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [dbt_program(), "--no-use-colors", "deps"],
        env=dbt_environment(scratch / "deps.duckdb", scratch),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        said = [line for line in done.stdout.splitlines() if line.strip() and "uploading artifacts" not in line]
        raise CheckFailedError(
            f"the packages of the models cannot be fetched: {' '.join(said[-2:])[:300]}",
            where=str(DBT_PROJECT),
            next_command="fds dbt -- deps",
        )
    _FOLDER.mkdir(exist_ok=True)
    mark.write_text(_fingerprint() or "")


def dbt_program() -> str:
    """Return the path of dbt, which is installed beside this Python."""
    return str(Path(sys.executable).with_name("dbt"))


def dbt_environment(database: Path, target: Path) -> dict[str, str]:
    """Return the environment of a dbt process that works on `database` and writes into `target`."""
    return {
        **os.environ,
        "FDS_DUCKDB_PATH": str(database),
        "DBT_PROJECT_DIR": str(DBT_PROJECT),
        "DBT_PROFILES_DIR": str(DBT_PROJECT),
        "DBT_TARGET_PATH": str(target),
        "DBT_LOG_PATH": str(target / "logs"),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DBT_VERSION_CHECK": "false",
    }


def _fingerprint() -> str | None:
    """Return a digest of the files that declare packages; None if there is no such file."""
    files = [file for name in _DECLARED if (file := DBT_PROJECT / name).is_file()]
    if not files:
        return None
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()


if __name__ == "__main__":
    install_packages(Path(sys.argv[1]))

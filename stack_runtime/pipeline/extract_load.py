"""Extract and load all selected sources into the run's private database, with one Meltano process."""

from __future__ import annotations

import ctypes
import glob
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

from stack_runtime.content import meltano_project
from stack_runtime.errors import CheckFailedError, StackError
from stack_runtime.pipeline import meltano_env
from stack_runtime.pipeline.counts import Loaded, count_loaded, tap_report, target_report
from stack_runtime.pipeline.disk import is_full, no_space
from stack_runtime.pipeline.postgres_config import PostgresConfig
from stack_runtime.pipeline.sources import Selection, Source, declared_loaders
from stack_runtime.pipeline.workspace import Workspace

TARGET = "target-duckdb"
_INVALID = "Config validation failed"


def extract_load(
    work: Workspace, selection: Selection, system_database: Path, postgres: PostgresConfig | None, *, whole: bool
) -> Loaded:
    """Load the sources and files of `selection`.

    Args:
        system_database: SQLite file for Meltano's system database; used only if `postgres` is None.
        whole: load all rows, also rows that earlier runs loaded, and do not change Meltano's state. If the loader
            overwrites its tables, all rows are always loaded.

    Raises:
        CheckFailedError: a source cannot be read, or the counts do not add up.
        UnreachableError: the disk is full.
    """
    settings = meltano_environment(work, selection, system_database, postgres)
    command = [str(meltano_env.MELTANO), "--log-format", "plain", "run", "--no-install", "--force"]
    if whole or _overwrites():
        command.append("--full-refresh")
    if whole:
        command.append("--no-state-update")
    for source in selection.sources:
        command += [source.name, TARGET]
    with work.log.open("wb") as log:
        process = subprocess.Popen(
            command, cwd=meltano_project(), env=settings, stdin=subprocess.DEVNULL,
            stdout=log, stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=_die_with_parent,
        )  # fmt: skip
        try:
            code = process.wait()
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
    if code:
        raise _failure(work)
    shutil.rmtree(work.batches, ignore_errors=True)  # free the disk space early; the batches are loaded
    return count_loaded(work, selection.sources)


def meltano_environment(
    work: Workspace, selection: Selection, system_database: Path, postgres: PostgresConfig | None
) -> dict[str, str]:
    """Create the folders that Meltano writes into, and return the environment variables for Meltano.

    The variables make Meltano write only into the work folder and into Meltano's system database, because the project
    may be read-only. This database is in PostgreSQL, or in the SQLite file `system_database` if `postgres` is None.
    """
    system = work.folder / "meltano"
    for folder in (system, work.state, work.quarantine, work.batches, work.reports):
        folder.mkdir(parents=True, exist_ok=True)
    for plugins in ("extractors", "loaders"):
        (system / plugins).symlink_to(meltano_env.system() / plugins)
    found = {
        **os.environ,
        "MELTANO_PROJECT_ROOT": str(meltano_project()),
        "MELTANO_ENVIRONMENT": os.environ.get("FDS_ENVIRONMENT", "dev"),
        "MELTANO_SYS_DIR_ROOT": str(system),
        "MELTANO_STATE_BACKEND_URI": f"file://{work.state}",
        "MELTANO_DATABASE_URI": f"sqlite:///{system_database}",
        "XDG_STATE_HOME": str(work.folder),
        "NO_COLOR": "1",
        "TARGET_DUCKDB_PATH": str(work.database),
        "TARGET_DUCKDB_REPORT_PATH": str(target_report(work, "$MELTANO_EXTRACTOR_NAME")),
    }
    for source in selection.sources:
        if source.entities is not None:
            found |= _file_settings(work, source, selection)
    return found | (postgres.meltano_environment if postgres else {})


def _overwrites() -> bool:
    """Return whether the loader replaces the rows of earlier runs by the rows of this run."""
    config = next((loader.get("config") or {} for loader in declared_loaders() if loader.get("name") == TARGET), {})
    return bool(config.get("load_method") == "overwrite")


def _file_settings(work: Workspace, source: Source, selection: Selection) -> dict[str, str]:
    """Return the environment variables for an extractor that reads files.

    They contain the entities of the extractor, each with its files of this run, and the paths to which it writes.
    """
    entities = [_with_files(work, entity, files) for entity, files in selection.of(source)]
    settings = {
        "ENTITIES": json.dumps(entities, default=str),  # `str`, because YAML reads a text such as 2026-12-31 as a date
        "QUARANTINE_DIR": str(work.quarantine),
        "REPORT_PATH": str(tap_report(work, source.name)),
        "BATCH_CONFIG_STORAGE_ROOT": (work.batches / source.name).as_uri(),
    }
    return {f"{source.environment_prefix}_{name}": value for name, value in settings.items()}


def _with_files(work: Workspace, entity: Mapping[str, Any], files: Sequence[Path]) -> dict[str, Any]:
    """Return the settings with which the tap loads exactly `files` as rows of `entity`.

    Write the paths of `files` to a JSON file, and let the setting `paths_file` name it. Settings are environment
    variables, whose length Linux limits to 128 KiB.
    """
    declared = {key: value for key, value in entity.items() if key not in ("path", "paths")}
    listed = work.folder / "meltano" / f"paths-of-{entity['entity']}.json"
    listed.write_text(json.dumps([glob.escape(str(file)) for file in files]))
    return declared | {"paths_file": str(listed)}


def _die_with_parent() -> None:
    """Make the kernel kill Meltano when the process of the run ends. Only Linux supports this.

    On other systems, Meltano finishes the load into the work folder, and the next run removes this folder.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def _failure(work: Workspace) -> StackError:
    """Return the error for the user, with the reason from the log of Meltano, the taps and the target."""
    text = work.log.read_text(errors="replace")[-200_000:]
    if is_full(text):
        return no_space(work.folder)
    reason = reason_of(text.splitlines())
    advice = "correct the file or the setting, then run the same command again"
    return CheckFailedError(f"nothing was loaded: {reason}", where="extract_load", next_command=advice)


def reason_of(output: list[str]) -> str:
    """Return why Meltano failed: invalid settings, else the last `Error: …`, else the last line with `error`."""
    lines = list(_without_logging_errors(output))
    if invalid := _invalid_settings(lines):
        return f"a setting is invalid: {'; '.join(invalid)}"[:500]
    raised = [line.partition("Error: ")[2] for line in lines if "Error: " in line]
    errors = raised or [line for line in lines if "error" in line.lower()] or lines
    return (errors or ["Meltano ended without a message"])[-1].strip()[:500]


def _invalid_settings(lines: list[str]) -> list[str]:
    """Return the messages about settings that the SDK of taps and targets writes above `Config validation failed`."""
    if _INVALID not in lines:
        return []
    above = reversed(lines[: lines.index(_INVALID)])
    found = list(takewhile(lambda line: "Meltano SDK" not in line and not line.startswith("Skipping parse"), above))
    return [line.strip() for line in reversed(found)]


def _without_logging_errors(lines: list[str]) -> Iterator[str]:
    """Yield the lines without the reports that Python writes when a logging call of Meltano fails."""
    inside = False
    for line in lines:
        inside = inside or line == "--- Logging error ---"
        if not inside:
            yield line
        inside = inside and not line.startswith("Arguments: ")

"""Manage the work folder of one run, which has a private copy of the published database.

The database also contains Meltano's state, so one rename publishes data and state together. A killed or failed run has
changed only the copy, so it needs no repair.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import duckdb

from stack_runtime.errors import UsageError
from stack_runtime.pipeline.paths import PipelinePaths

_PUBLISHED_RUN = "SELECT run_id FROM fds.publication"
HAS_TABLE = "SELECT 1 FROM duckdb_tables() WHERE schema_name = 'fds' AND table_name = ?"

Relation = tuple[str, str]
"""Schema and name of a table or view."""


@dataclass(frozen=True)
class Workspace:
    """Paths in the work folder of one run."""

    folder: Path
    database: Path

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def quarantine(self) -> Path:
        return self.folder / "quarantine"

    @property
    def reports(self) -> Path:
        """Folder with the JSON files in which taps and the target report their counts, separately for each source."""
        return self.folder / "reports"

    @property
    def batches(self) -> Path:
        return self.folder / "batches"

    @property
    def log(self) -> Path:
        return self.folder / "meltano.log"


def published_run(database: Path) -> str | None:
    """Return the id of the run that published `database`; None if the file does not exist or no run published it.

    Raises:
        UsageError: `database` is not a DuckDB file, or another program writes to it or ended without closing it.
    """
    if not database.exists():
        return None
    if database.with_name(f"{database.name}.wal").exists():
        raise UsageError(
            "another program writes to this database, or ended without closing it",
            where=str(database),
            next_command="open and close it once with duckdb, or choose another --database",
        )
    try:
        with duckdb.connect(str(database), read_only=True) as connection:
            if not connection.execute(HAS_TABLE, ["publication"]).fetchone():
                return None
            row = connection.execute(_PUBLISHED_RUN).fetchone()
    except (duckdb.IOException, duckdb.InvalidInputException, duckdb.SerializationException) as error:
        reason = str(error).splitlines()[0][:200]
        raise UsageError(
            f"not a DuckDB database that can be opened: {reason}", where=str(database), next_command="choose another"
        ) from None
    return str(row[0]) if row else None


def begin_work(paths: PipelinePaths, run_id: str) -> Workspace:
    """Remove the folders of earlier runs and create a folder for this run, with a copy of the published database."""
    for leftover in paths.work.iterdir():
        shutil.rmtree(leftover, ignore_errors=True)
        # Delete the system database of Meltano, because a killed run may leave it partly migrated, and nothing in it is
        # needed.
        system_database(paths).unlink(missing_ok=True)
    folder = paths.work / run_id
    folder.mkdir()
    work = Workspace(folder, folder / paths.published.name)
    work.state.mkdir()
    if paths.published.exists():
        shutil.copyfile(paths.published, work.database)
        _restore_state(work)
    link_current(paths, work)
    return work


def link_current(paths: PipelinePaths, work: Workspace) -> None:
    """Point the link `paths.current` to the folder of `work`."""
    link = paths.current.with_name("current.new")
    link.unlink(missing_ok=True)
    link.symlink_to(work.folder)
    link.replace(paths.current)


def system_database(paths: PipelinePaths) -> Path:
    """Return the path of Meltano's system database, which is used only if the stack has no PostgreSQL."""
    return paths.root / "meltano.db"


def end_work(work: Workspace) -> None:
    """Remove the work folder of a run."""
    shutil.rmtree(work.folder, ignore_errors=True)


def _restore_state(work: Workspace) -> None:
    with duckdb.connect(str(work.database)) as connection:
        if not connection.execute(HAS_TABLE, ["state"]).fetchone():
            return
        for path, content in connection.execute("SELECT path, content FROM fds.state").fetchall():
            file = work.state / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)


def seal(work: Workspace, run_id: str) -> None:
    """Write the run id and Meltano's state into the database, and checkpoint it, so that no WAL file remains."""
    files = [file for file in work.state.rglob("*") if file.name == "state.json"]
    state = [(str(file.relative_to(work.state)), file.read_text()) for file in files]
    with duckdb.connect(str(work.database)) as connection:
        connection.execute("BEGIN")
        connection.execute("CREATE SCHEMA IF NOT EXISTS fds")
        connection.execute("CREATE OR REPLACE TABLE fds.publication AS SELECT ? AS run_id", [run_id])
        connection.execute("CREATE OR REPLACE TABLE fds.state (path VARCHAR, content VARCHAR)")
        if state:
            connection.executemany("INSERT INTO fds.state VALUES (?, ?)", state)
        connection.execute("COMMIT")
        connection.execute("FORCE CHECKPOINT")

"""Manage the work folder of one run, which has a private copy of the published database.

The database also contains Meltano's state, so one rename publishes data and state together. A killed or failed run has
changed only the copy, so it needs no repair.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import duckdb

from stack_runtime.errors import UsageError
from stack_runtime.pipeline.marts import quoted
from stack_runtime.pipeline.paths import PipelinePaths

_PUBLISHED_RUN = "SELECT run_id FROM fds.publication"
_HAS_TABLE = "SELECT 1 FROM duckdb_tables() WHERE schema_name = 'fds' AND table_name = ?"

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
        """Folder with one JSON file of counts for each target and each of our taps."""
        return self.folder / "reports"

    @property
    def batches(self) -> Path:
        return self.folder / "batches"

    @property
    def log(self) -> Path:
        return self.folder / "meltano.log"


def published_run(database: Path) -> str | None:
    """Return the id of the run that published `database`; None if there is no file or no run published it.

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
            if not connection.execute(_HAS_TABLE, ["publication"]).fetchone():
                return None
            row = connection.execute(_PUBLISHED_RUN).fetchone()
    except (duckdb.IOException, duckdb.InvalidInputException, duckdb.SerializationException) as error:
        reason = str(error).splitlines()[0][:200]
        raise UsageError(
            f"not a DuckDB database that can be opened: {reason}", where=str(database), next_command="choose another"
        ) from None
    return str(row[0]) if row else None


def begin_work(paths: PipelinePaths, run_id: str) -> Workspace:
    """Remove the folders of killed runs and create one for this run, with a copy of the published database."""
    for leftover in paths.work.iterdir():
        shutil.rmtree(leftover, ignore_errors=True)
        # A killed run may leave Meltano's system database partly migrated. It can be deleted, as no content is needed.
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
    """Return the path of Meltano's system database, for pipelines without PostgreSQL."""
    return paths.root / "meltano.db"


def end_work(work: Workspace) -> None:
    """Remove the work folder of a run."""
    shutil.rmtree(work.folder, ignore_errors=True)


def _restore_state(work: Workspace) -> None:
    with duckdb.connect(str(work.database)) as connection:
        if not connection.execute(_HAS_TABLE, ["state"]).fetchone():
            return
        for path, content in connection.execute("SELECT path, content FROM fds.state").fetchall():
            file = work.state / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)


def remove_old_models(work: Workspace, relations: Iterable[Relation]) -> None:
    """Drop tables and views of earlier runs that are not in `relations`, and store `relations` for the next run.

    Only relations that an earlier run stored are dropped, because a person may have created other relations.
    """
    now = {(schema.lower(), name.lower()) for schema, name in relations}
    with duckdb.connect(str(work.database)) as connection:
        connection.execute("BEGIN")
        if connection.execute(_HAS_TABLE, ["models"]).fetchone():
            for schema, name in connection.execute("SELECT schema_name, name FROM fds.models").fetchall():
                if (schema, name) not in now:
                    _drop(connection, schema, name)
        connection.execute("CREATE SCHEMA IF NOT EXISTS fds")
        connection.execute("CREATE OR REPLACE TABLE fds.models (schema_name VARCHAR, name VARCHAR)")
        if now:
            connection.executemany("INSERT INTO fds.models VALUES (?, ?)", sorted(now))
        connection.execute("COMMIT")


def respell_models(database: Path, relations: Iterable[Relation]) -> None:
    """Rename tables and views whose names differ only in case from `relations`, because dbt refuses to replace them."""
    now = {(schema.lower(), name.lower()): name for schema, name in relations}
    with duckdb.connect(str(database)) as connection:
        present = connection.execute(
            "SELECT table_schema, table_name, table_type FROM information_schema.tables "
            "WHERE table_catalog = current_database()"
        ).fetchall()
        for schema, name, kind in present:
            wanted = now.get((schema.lower(), name.lower()), name)
            if wanted != name:
                old = f"{quoted(schema)}.{quoted(name)}"
                connection.execute(f"ALTER {'VIEW' if kind == 'VIEW' else 'TABLE'} {old} RENAME TO {quoted(wanted)}")


def _drop(connection: duckdb.DuckDBPyConnection, schema: str, name: str) -> None:
    kind = connection.execute(
        "SELECT table_type FROM information_schema.tables WHERE table_catalog = current_database() "
        "AND lower(table_schema) = ? AND lower(table_name) = ?",
        [schema, name],
    ).fetchone()
    if kind:
        connection.execute(f"DROP {'VIEW' if kind[0] == 'VIEW' else 'TABLE'} {quoted(schema)}.{quoted(name)}")


def seal(work: Workspace, run_id: str) -> None:
    """Write the run id and Meltano's state into the database, and checkpoint it so that it is a single file."""
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

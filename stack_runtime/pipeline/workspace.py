"""Every run works on a private copy of what is published, and its state travels inside that database.

So a killed or failed run leaves nothing to heal: its folder is dead, and data and state change in one rename.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb

from stack_runtime.errors import UsageError
from stack_runtime.pipeline.extract_load import Work
from stack_runtime.pipeline.paths import PipelinePaths

_PUBLISHED_RUN = "SELECT run_id FROM fds.publication"
_HAS_PUBLICATION = "SELECT 1 FROM duckdb_tables() WHERE schema_name = 'fds' AND table_name = 'publication'"


def published_run(database: Path) -> str | None:
    """The run that put `database` in place; None when there is no file, or no run of ours made it.

    Raises:
        UsageError: it is not a DuckDB file, or another program writes it.
    """
    if not database.exists():
        return None
    if database.with_name(f"{database.name}.wal").exists():
        raise UsageError(
            "another program writes this database, or ended without closing it",
            where=str(database),
            next_command="open and close it once with duckdb, or choose another --database",
        )
    try:
        with duckdb.connect(str(database), read_only=True) as connection:
            if not connection.execute(_HAS_PUBLICATION).fetchone():
                return None
            row = connection.execute(_PUBLISHED_RUN).fetchone()
    except (duckdb.IOException, duckdb.InvalidInputException, duckdb.SerializationException) as error:
        reason = str(error).splitlines()[0][:200]
        raise UsageError(
            f"not a DuckDB database that can be opened: {reason}", where=str(database), next_command="choose another"
        ) from None
    return str(row[0]) if row else None


def begin_work(paths: PipelinePaths, run_id: str) -> Work:
    """Clear what dead runs left, and lay out the folder of this one with its copy of the published database."""
    for leftover in paths.work.iterdir():
        shutil.rmtree(leftover, ignore_errors=True)
        # A run that was killed may have left Meltano's system database half migrated; nothing in it is needed.
        system_database(paths).unlink(missing_ok=True)
    folder = paths.work / run_id
    folder.mkdir()
    work = Work(folder, folder / paths.published.name)
    work.state.mkdir()
    if paths.published.exists():
        shutil.copyfile(paths.published, work.database)
        _restore_state(work)
    link = paths.current.with_name("current.new")
    link.unlink(missing_ok=True)
    link.symlink_to(folder)
    link.replace(paths.current)
    return work


def system_database(paths: PipelinePaths) -> Path:
    """Meltano's own bookkeeping, where there is no server for it."""
    return paths.root / "meltano.db"


def end_work(work: Work) -> None:
    """Remove the folder of a run."""
    shutil.rmtree(work.folder, ignore_errors=True)


def _restore_state(work: Work) -> None:
    with duckdb.connect(str(work.database)) as connection:
        if not connection.execute(_HAS_PUBLICATION).fetchone():
            return
        for path, content in connection.execute("SELECT path, content FROM fds.state").fetchall():
            file = work.state / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)


def seal(work: Work, run_id: str) -> None:
    """Write the run and Meltano's state into the database, and fold its log into the one file."""
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

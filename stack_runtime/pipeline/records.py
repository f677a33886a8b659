"""Store the records of runs in the schema `ops` of the PostgreSQL database `marts`; without PostgreSQL, in SQLite.

The SQLite file is attached under the name `ops`, so the same SQL works in PostgreSQL and in SQLite.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from stack_runtime.pipeline.lock import ADVISORY_KEY, is_held
from stack_runtime.pipeline.model import Check, Quarantined, Refused, Rows, Run, Step, Stream
from stack_runtime.pipeline.paths import PipelinePaths
from stack_runtime.pipeline.postgres_config import PostgresConfig
from stack_runtime.pipeline.usage import WINDOW, Sample

_TABLES = (
    """CREATE TABLE IF NOT EXISTS ops.runs (
        run_id TEXT PRIMARY KEY, source TEXT NOT NULL, status TEXT NOT NULL,
        started_at TIMESTAMPTZ NOT NULL, finished_at TIMESTAMPTZ,
        rows_read BIGINT NOT NULL, rows_loaded BIGINT NOT NULL, rows_quarantined BIGINT NOT NULL,
        published TEXT, error TEXT NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS ops.steps (
        run_id TEXT NOT NULL, position INTEGER NOT NULL, name TEXT NOT NULL, seconds DOUBLE PRECISION NOT NULL,
        PRIMARY KEY (run_id, position))""",
    """CREATE TABLE IF NOT EXISTS ops.checks (
        run_id TEXT NOT NULL, position INTEGER NOT NULL, test_name TEXT NOT NULL, status TEXT NOT NULL,
        metric_value DOUBLE PRECISION NOT NULL, threshold DOUBLE PRECISION NOT NULL,
        PRIMARY KEY (run_id, position))""",
    """CREATE TABLE IF NOT EXISTS ops.quarantine (
        run_id TEXT NOT NULL, position INTEGER NOT NULL, entity TEXT NOT NULL, file TEXT NOT NULL,
        line BIGINT NOT NULL, reason TEXT NOT NULL, raw TEXT NOT NULL,
        PRIMARY KEY (run_id, position))""",
    """CREATE TABLE IF NOT EXISTS ops.streams (
        run_id TEXT NOT NULL, position INTEGER NOT NULL, source TEXT NOT NULL, table_name TEXT NOT NULL,
        rows_read BIGINT NOT NULL, rows_loaded BIGINT NOT NULL, rows_quarantined BIGINT NOT NULL,
        rows_replaced BIGINT NOT NULL, PRIMARY KEY (run_id, position))""",
    """CREATE TABLE IF NOT EXISTS ops.refused (
        run_id TEXT NOT NULL, position INTEGER NOT NULL, entity TEXT NOT NULL, file TEXT NOT NULL,
        reason TEXT NOT NULL, PRIMARY KEY (run_id, position))""",
    """CREATE TABLE IF NOT EXISTS ops.claims (
        run_id TEXT PRIMARY KEY, held_until TIMESTAMPTZ NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS ops.usage (
        resource TEXT NOT NULL, measured_at TIMESTAMPTZ NOT NULL, used_bytes BIGINT NOT NULL,
        size_bytes BIGINT NOT NULL, PRIMARY KEY (resource, measured_at))""",
)
_STREAMS = "source, table_name, rows_read, rows_loaded, rows_quarantined, rows_replaced"

_RUN = """INSERT INTO ops.runs (run_id, source, status, started_at, finished_at, rows_read, rows_loaded,
        rows_quarantined, published, error) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT (run_id) DO UPDATE SET status = excluded.status, finished_at = excluded.finished_at,
        rows_read = excluded.rows_read, rows_loaded = excluded.rows_loaded,
        rows_quarantined = excluded.rows_quarantined, published = excluded.published, error = excluded.error"""

_RUNS = """SELECT run_id, source, status, started_at, finished_at, rows_read, rows_loaded, rows_quarantined,
        published, error FROM ops.runs"""

_LAST_RUNS = "(SELECT run_id, started_at FROM ops.runs ORDER BY started_at DESC, run_id DESC LIMIT %s) AS runs"
_CHECKS = f"""SELECT runs.started_at, test_name, checks.status, metric_value, threshold FROM {_LAST_RUNS}
    JOIN ops.checks AS checks ON checks.run_id = runs.run_id ORDER BY runs.started_at, checks.position"""
_LAST_STREAMS = f"""SELECT runs.started_at, {_STREAMS} FROM {_LAST_RUNS}
    JOIN ops.streams AS streams ON streams.run_id = runs.run_id ORDER BY runs.started_at, streams.position"""

_SETTLE = """UPDATE ops.runs SET
        status = CASE WHEN run_id = %s THEN 'succeeded' ELSE 'interrupted' END,
        published = CASE WHEN run_id = %s THEN %s ELSE published END
    WHERE status = 'running'"""


@dataclass(frozen=True)
class Claim:
    """A claim on the pipeline: until `held_until`, no other run can start between two steps of the run `run_id`."""

    run_id: str
    held_until: datetime


class _Session(Protocol):
    """Interface of a connection to PostgreSQL or SQLite; placeholders in the SQL are `%s`."""

    def execute(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]: ...

    def many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None: ...


class Records:
    """The records of one pipeline; each method call is one transaction."""

    def __init__(self, paths: PipelinePaths, server: PostgresConfig | None) -> None:
        self._paths = paths
        self._server = server

    def settle(self, published_run: str | None) -> None:
        """Create the tables, and replace the status `running` of killed runs; call this only while holding the lock.

        Args:
            published_run: id of the run that published the current database. If the status of this run is `running`,
                the run was killed after the publication, so its status becomes `succeeded`. The status of all other
                killed runs becomes `interrupted`.
        """
        with self._session() as session:
            self._make_tables(session)
            session.execute(_SETTLE, (published_run, published_run, str(self._paths.published)))

    def claim(self, run_id: str, held_until: datetime) -> None:
        """Claim the pipeline for `run_id` and remove any other claim; call this only while holding the lock."""
        with self._session() as session:
            session.execute("DELETE FROM ops.claims")
            session.execute("INSERT INTO ops.claims VALUES (%s, %s)", (run_id, held_until.isoformat()))

    def release(self, run_id: str) -> None:
        """Remove the claim of `run_id`, if there is a claim."""
        with self._session() as session:
            session.execute("DELETE FROM ops.claims WHERE run_id = %s", (run_id,))

    def claimed(self) -> Claim | None:
        """Create the tables if needed, and return the claim that has not expired; None if there is no such claim."""
        with self._session() as session:
            self._make_tables(session)
            return _claimed(session)

    def save_usage(self, samples: Iterable[Sample]) -> None:
        """Add samples of disks and memory, and remove samples that are too old for the computation of the growth."""
        with self._session() as session:
            self._make_tables(session)
            rows = [(one.resource, one.at.isoformat(), one.used, one.size) for one in samples]
            session.many("INSERT INTO ops.usage VALUES (%s, %s, %s, %s)", rows)
            session.execute("DELETE FROM ops.usage WHERE measured_at < %s", ((datetime.now(UTC) - WINDOW).isoformat(),))

    def usage(self) -> list[Sample]:
        """Return all samples of disks and memory."""
        with self._session() as session:
            if not self._has_table(session, "usage"):
                return []
            rows = session.execute("SELECT resource, measured_at, used_bytes, size_bytes FROM ops.usage")
            return [Sample(resource, _moment(at), used, size) for resource, at, used, size in rows]

    def _make_tables(self, session: _Session) -> None:
        if self._server:
            session.execute("CREATE SCHEMA IF NOT EXISTS ops")
        for statement in _TABLES:
            session.execute(statement)

    def save(self, run: Run) -> None:
        """Write the complete record of `run`; replace the record that an earlier call wrote."""
        finished = run.finished_at.isoformat() if run.finished_at else None
        head = (run.run_id, run.source, run.status, run.started_at.isoformat(), finished)
        with self._session() as session:
            counts = (run.rows.read, run.rows.loaded, run.rows.quarantined)
            session.execute(_RUN, (*head, *counts, run.published, run.error))
            children = (
                ("steps", "name, seconds", map(astuple, run.steps)),
                ("checks", "test_name, status, metric_value, threshold", map(astuple, run.checks)),
                ("streams", _STREAMS, [(item.source, item.table, *astuple(item.rows)) for item in run.streams]),
                ("refused", "entity, file, reason", map(astuple, run.refused)),
                ("quarantine", "entity, file, line, reason, raw", map(astuple, run.quarantined)),
            )
            for table, columns, items in children:
                self._replace(session, run.run_id, table, columns, items)

    @staticmethod
    def _replace(
        session: _Session, run_id: str, table: str, columns: str, items: Iterable[tuple[Any, ...]]
    ) -> None:  # fmt: skip
        session.execute(f"DELETE FROM ops.{table} WHERE run_id = %s", (run_id,))
        marks = ", ".join(["%s"] * (columns.count(",") + 3))
        rows = [(run_id, position, *item) for position, item in enumerate(items)]
        session.many(f"INSERT INTO ops.{table} (run_id, position, {columns}) VALUES ({marks})", rows)

    def latest(self, count: int = 1) -> list[Run]:
        """Return the last `count` runs, newest first. A killed run has the status `interrupted`."""
        with self._session() as session:
            if not self._has_table(session, "claims"):
                return []
            newest = f"{_RUNS} ORDER BY started_at DESC, run_id DESC LIMIT %s"
            alive = self._is_running(session) or _claimed(session) is not None
            return [self._run(session, row, alive) for row in session.execute(newest, (count,))]

    def find(self, run_id: str) -> Run | None:
        """Return the run with this id; None if the id is unknown. A killed run may still have the status `running`."""
        with self._session() as session:
            rows = session.execute(f"{_RUNS} WHERE run_id = %s", (run_id,))
            return self._run(session, rows[0], alive=True) if rows else None

    def checks(self, count: int) -> list[tuple[datetime, Check]]:
        """Return the checks of the last `count` runs, each with the start time of its run, oldest first."""
        with self._session() as session:
            if not self._has_table(session, "claims"):
                return []
            return [(_moment(started), Check(*check)) for started, *check in session.execute(_CHECKS, (count,))]

    def streams(self, count: int) -> list[tuple[datetime, Stream]]:
        """Return the streams of the last `count` runs, each with the start time of its run, oldest first."""
        with self._session() as session:
            if not self._has_table(session, "claims"):
                return []
            found = session.execute(_LAST_STREAMS, (count,))
            return [(_moment(started), Stream(source, table, Rows(*rows))) for started, source, table, *rows in found]

    def _run(self, session: _Session, row: tuple[Any, ...], alive: bool) -> Run:
        run_id, source, status, started, finished, read, loaded, quarantined, published, error = row

        def children(table: str, columns: str) -> list[tuple[Any, ...]]:
            return session.execute(f"SELECT {columns} FROM ops.{table} WHERE run_id = %s ORDER BY position", (run_id,))

        streams = tuple(Stream(source, table, Rows(*rows)) for source, table, *rows in children("streams", _STREAMS))
        return Run(
            run_id=run_id,
            source=source,
            status="interrupted" if status == "running" and not alive else status,
            started_at=_moment(started),
            finished_at=_moment(finished) if finished else None,
            rows=Rows(read, loaded, quarantined, sum(stream.rows.replaced for stream in streams)),
            steps=tuple(Step(*item) for item in children("steps", "name, seconds")),
            checks=tuple(Check(*item) for item in children("checks", "test_name, status, metric_value, threshold")),
            streams=streams,
            refused=tuple(Refused(*item) for item in children("refused", "entity, file, reason")),
            quarantined=tuple(Quarantined(*item) for item in children("quarantine", "entity, file, line, reason, raw")),
            published=published,
            error=error,
        )

    def _has_table(self, session: _Session, name: str) -> bool:
        if self._server:
            return session.execute("SELECT to_regclass(%s)", (f"ops.{name}",))[0][0] is not None
        return bool(session.execute("SELECT 1 FROM ops.sqlite_master WHERE name = %s", (name,)))

    def _is_running(self, session: _Session) -> bool:
        if self._server:
            locks = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = %s AND granted"
            return bool(session.execute(locks, (ADVISORY_KEY,)))
        return is_held(self._paths.lock)

    @contextmanager
    def _session(self) -> Iterator[_Session]:
        with _postgres(self._server) if self._server else _sqlite(self._paths.records) as session:
            yield session


class _Postgres:
    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor

    def execute(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        self._cursor.execute(sql, values)
        return list(self._cursor.fetchall()) if self._cursor.description else []

    def many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        self._cursor.executemany(sql, rows)


class _Sqlite:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def execute(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return list(self._connection.execute(sql.replace("%s", "?"), values))

    def many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        self._connection.executemany(sql.replace("%s", "?"), rows)


def _claimed(session: _Session) -> Claim | None:
    """Return the claim that has not expired; None if there is no such claim."""
    for run_id, held_until in session.execute("SELECT run_id, held_until FROM ops.claims"):
        if _moment(held_until) > datetime.now(UTC):
            return Claim(run_id, _moment(held_until))
    return None


@contextmanager
def _postgres(server: PostgresConfig) -> Iterator[_Session]:
    with server.connect("fds records") as connection, connection.cursor() as cursor:
        yield _Postgres(cursor)


@contextmanager
def _sqlite(file: Path) -> Iterator[_Session]:
    connection = sqlite3.connect(":memory:", timeout=30)
    try:
        connection.execute("ATTACH ? AS ops", (str(file),))
        with connection:
            yield _Sqlite(connection)
    finally:
        connection.close()


def _moment(value: datetime | str) -> datetime:
    return (datetime.fromisoformat(value) if isinstance(value, str) else value).astimezone(UTC)

"""Test that SQLite and PostgreSQL store records of runs in the same way, and that the lock shows if a run is alive."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from stack_runtime.errors import LockedError
from stack_runtime.pipeline.lock import run_lock
from stack_runtime.pipeline.model import Check, Quarantined, Refused, Rows, Run, Step, Stream
from stack_runtime.pipeline.paths import PipelinePaths, beside
from stack_runtime.pipeline.postgres_config import PostgresConfig
from stack_runtime.pipeline.records import Records
from stack_runtime.pipeline.usage import Sample

NOW = datetime(2026, 1, 31, 12, 0, 0, 123456, tzinfo=UTC)

HOLD = """
import sys
from pathlib import Path
from stack_runtime.pipeline.usage import Sample
from stack_runtime.pipeline.lock import run_lock
from stack_runtime.pipeline.postgres_config import PostgresConfig
server = PostgresConfig(sys.argv[2], int(sys.argv[3]), "pipeline", sys.argv[4]) if len(sys.argv) > 2 else None
with run_lock(Path(sys.argv[1]), "holder-1", server):
    print("held", flush=True)
    sys.stdin.read()
"""


def full_run(run_id: str, started: datetime) -> Run:
    return Run(
        run_id, started, "a.csv", "succeeded", started + timedelta(seconds=3), Rows(4, 2, 1, 1),
        (Step("extract_load", 1.25), Step("transform", 0.5)), (Check("a", "pass", 0.0, 0.0), Check("b", "warn", 2, 10)),
        "/data/warehouse.duckdb", "",
        streams=(Stream("tap-csv", "raw_data.a", Rows(3, 2, 1)), Stream("tap-x", "x.b", Rows(1, 0, 0, 1))),
        refused=(Refused("b", "b.csv", "the file is empty"),), 
        quarantined=(Quarantined("transactions", "a.csv", 4, "ragged", 'x,"ä\n'),),
    )  # fmt: skip


@pytest.fixture(params=["sqlite", "postgres"])
def backend(request: pytest.FixtureRequest) -> PostgresConfig | None:
    if request.param == "sqlite":
        return None
    server: PostgresConfig = request.getfixturevalue("server")
    with server.connect("test", autocommit=True) as connection:
        connection.execute("DROP SCHEMA IF EXISTS ops CASCADE")
    return server


@pytest.fixture
def paths(tmp_path: Path) -> PipelinePaths:
    found = beside(tmp_path / "warehouse.duckdb")
    found.make()
    return found


def holder(paths: PipelinePaths, server: PostgresConfig | None) -> subprocess.Popen[str]:
    more = [server.host, str(server.port), server.password] if server else []
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(paths.lock), *more], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout and process.stdout.readline() == "held\n"
    return process


def test_saved_run_is_read_back_unchanged(paths: PipelinePaths, backend: PostgresConfig | None) -> None:
    records = Records(paths, backend)
    assert records.latest() == []
    records.settle(None)
    first, second = full_run("r1", NOW), full_run("r2", NOW + timedelta(minutes=1))
    for run in (replace(first, steps=()), first, second, second):
        records.save(run)
    assert records.latest(5) == [second, first]
    assert records.latest(1) == [second]


def test_checks_of_the_last_runs_are_read_oldest_first(paths: PipelinePaths, backend: PostgresConfig | None) -> None:
    records = Records(paths, backend)
    assert records.checks(5) == []
    records.settle(None)
    moments = [NOW + timedelta(minutes=minute) for minute in range(3)]
    for number, moment in enumerate(moments):
        checks = (Check("a", "warn", float(number), 10.0), Check("b", "pass", 0.0, 0.0)) if number else ()
        records.save(replace(full_run(f"r{number}", moment), checks=checks))
    expected = [
        (moments[number], check)
        for number in (1, 2)
        for check in (Check("a", "warn", float(number), 10.0), Check("b", "pass", 0.0, 0.0))
    ]
    assert records.checks(5) == expected
    assert records.checks(1) == expected[2:]


def test_streams_of_the_last_runs_are_read_oldest_first(paths: PipelinePaths, backend: PostgresConfig | None) -> None:
    records = Records(paths, backend)
    assert records.streams(5) == []
    records.settle(None)
    for number in range(3):
        records.save(full_run(f"r{number}", NOW + timedelta(minutes=number)))
    own = (Stream("tap-csv", "raw_data.a", Rows(3, 2, 1)), Stream("tap-x", "x.b", Rows(1, 0, 0, 1)))
    assert records.streams(2) == [(NOW + timedelta(minutes=minute), stream) for minute in (1, 2) for stream in own]


def test_killed_run_is_recorded_as_interrupted_unless_its_data_was_published(
    paths: PipelinePaths, backend: PostgresConfig | None
) -> None:
    records = Records(paths, backend)
    records.settle(None)
    open_run = replace(full_run("r1", NOW), status="running", finished_at=None, published=None)
    records.save(open_run)
    process = holder(paths, backend)
    assert records.latest()[0].status == "running"
    process.kill()
    process.wait()
    assert records.latest()[0].status == "interrupted"
    with run_lock(paths.lock, "next", backend):
        records.settle("r1")
    settled = records.latest()[0]
    assert (settled.status, settled.published, settled.rows) == ("succeeded", str(paths.published), Rows(4, 2, 1, 1))


def test_error_names_the_run_that_holds_the_lock_and_a_killed_run_releases_the_lock(
    paths: PipelinePaths, backend: PostgresConfig | None
) -> None:
    process = holder(paths, backend)
    # If PostgreSQL is used, take another lock file, as a run on another machine does: then only the lock in PostgreSQL
    # can prevent the second run.
    lock = paths.lock.with_name("elsewhere") if backend else paths.lock
    with pytest.raises(LockedError, match=r"run holder-1 .*since 20\d\d-\d\d-\d\dT"), run_lock(lock, "second", backend):
        pass
    process.kill()
    process.wait()
    with run_lock(lock, "third", backend):
        pass


def test_measurements_of_disk_and_memory_older_than_a_month_are_removed(
    paths: PipelinePaths, backend: PostgresConfig | None
) -> None:
    records = Records(paths, backend)
    assert records.usage() == []
    now = datetime.now(UTC)
    old, new = (Sample("data", now - timedelta(days=days), 5 * 10**12, 9 * 10**12) for days in (31, 29))
    records.save_usage([old, new])
    assert records.usage() == [new]
    last = replace(new, at=now, resource="memory")
    records.save_usage([last])
    assert sorted(records.usage(), key=lambda one: one.at) == [new, last]

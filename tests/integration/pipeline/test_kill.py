"""Kill the pipeline at every step: readers get the old data until the new data is complete."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from stack_runtime.pipeline.model import Rows
from stack_runtime.pipeline.paths import of_runner
from stack_runtime.pipeline.postgres_config import PostgresConfig
from stack_runtime.pipeline.records import Records
from tests.integration.pipeline.conftest import Ended, command, rows, write_csv

BEFORE_THE_RENAME = [
    "subprocess:Popen",  # kill as soon as Meltano has started
    "stack_runtime.pipeline.run:Dbt.transform",
    "stack_runtime.pipeline.run:Dbt.test",
    "stack_runtime.pipeline.run:copy_durably",
    "stack_runtime.pipeline.run:publish_marts",
]
AT_THE_RENAME = "stack_runtime.pipeline.run:replace_durably"


def killed_after(function: str, environment: Mapping[str, str]) -> None:
    assert (
        command("tests.integration.pipeline.killed", function, "run", environment=environment).code == -signal.SIGKILL
    )


_alone = threading.Lock()
"""Lock that lets only one thread read at a time.

DuckDB shares an open database within a process, so a second reader would get the file that the first reader opened.
"""


def totals(database: Path) -> tuple[int, ...]:
    with _alone, duckdb.connect(str(database), read_only=True) as connection:
        row = connection.execute("SELECT count(*), sum(amount)::INT FROM marts.fact_transactions").fetchone()
    assert row
    return row


class Reader(threading.Thread):
    """Thread that reads the totals of the published file after each change of the file or its folder, and every 0.2 s.

    `seen` has all totals that it read, and `errors` the messages of failed reads.
    """

    def __init__(self, database: Path) -> None:
        super().__init__()
        self._database, self._over = database, threading.Event()
        self.seen: set[tuple[int, ...]] = set()
        self.errors: list[str] = []

    def run(self) -> None:
        looked: tuple[object, ...] = ()
        while not self._over.wait(0.005):
            try:
                now = (*identity(self._database), self._database.parent.stat().st_mtime_ns, time.monotonic() // 0.2)
                if now == looked:
                    continue
                looked = now
                self.seen.add(totals(self._database))
            except (duckdb.Error, OSError) as error:
                self.errors.append(str(error))

    def stop(self) -> None:
        self._over.set()
        self.join()


@contextmanager
def reading(database: Path) -> Iterator[Reader]:
    reader = Reader(database)
    reader.start()
    try:
        yield reader
    finally:
        reader.stop()


def marts(server: PostgresConfig) -> tuple[int, ...]:
    with server.connect("test") as connection:
        row = connection.execute("SELECT count(*), sum(amount)::INT FROM marts.fact_transactions").fetchone()
    assert row
    return row


def run(environment: dict[str, str]) -> Ended:
    return command("stack_runtime.pipeline", "run", "--json", environment=environment)


def identity(file: Path) -> tuple[int, int, int]:
    found = file.stat()
    return found.st_ino, found.st_mtime_ns, found.st_size


@pytest.mark.slow
def test_run_killed_at_every_step_succeeds_when_repeated(runner: dict[str, str], server: PostgresConfig) -> None:
    paths = of_runner(Path(runner["FDS_DATA_DIR"]))
    write_csv(paths.landing / "a.csv", rows(1, 100, "10"))
    assert run(runner).code == 0
    write_csv(paths.landing / "b.csv", rows(101, 50, "20"))
    with reading(paths.published) as reader:
        for function in BEFORE_THE_RENAME:
            before = identity(paths.published)
            killed_after(function, runner)
            assert identity(paths.published) == before, function
            assert totals(paths.published) == (100, 1000), function
            assert Records(paths, server).latest()[0].status == "interrupted", function
            wanted = (150, 2000) if function.endswith("publish_marts") else (100, 1000)
            assert marts(server) == wanted, function
        again = run(runner)
        assert again.code == 0, again
        assert again.answer["rows"] == {"read": 50, "loaded": 50, "quarantined": 0, "replaced": 0}
        assert totals(paths.published) == marts(server) == (150, 2000)

        # Kill a run right after it has renamed the new database file. Its data is published by then, so the next run
        # only completes the record of the killed run.
        write_csv(paths.landing / "c.csv", rows(151, 10, "100"))
        killed_after(AT_THE_RENAME, runner)
        assert totals(paths.published) == marts(server) == (160, 3000)
        last = run(runner)
        assert last.answer["rows"] == {"read": 0, "loaded": 0, "quarantined": 0, "replaced": 0}
        assert totals(paths.published) == (160, 3000)
    assert reader.errors == []
    assert {(100, 1000), (150, 2000), (160, 3000)} == reader.seen
    history = Records(paths, server).latest(20)
    wanted_statuses = ["succeeded"] * 3 + ["interrupted"] * len(BEFORE_THE_RENAME) + ["succeeded"]
    assert [item.status for item in history] == wanted_statuses
    assert (history[1].published, history[1].rows) == (str(paths.published), Rows(10, 10, 0))
    assert list(paths.work.iterdir()) == []
    exported = paths.parquet.resolve()
    assert {file.name for file in paths.published.parent.iterdir()} == {
        paths.published.name, paths.docs.name, paths.parquet.name, exported.name
    }  # fmt: skip
    assert duckdb.sql(f"SELECT count(*) FROM '{exported}/fact_transactions.parquet'").fetchone() == (160,)

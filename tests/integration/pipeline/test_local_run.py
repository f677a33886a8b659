"""Test `fds run --local`: counts add up, marts are correct, and only checked data is published."""

from __future__ import annotations

import csv
import hashlib
import resource
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from stack_runtime.pipeline.model import STEPS
from stack_runtime.pipeline.paths import beside
from stack_runtime.pipeline.records import Records
from tests.integration.pipeline.conftest import Ended, ended, fds_run, local_run, rows, write_csv
from tests.integration.pipeline.test_records import holder
from tests.kit.project import SAMPLE, Project
from tests.kit.timing import slowdown

# `BY_DBT` reads the totals of the marts, and `BY_HAND` computes the same totals from the file alone.
BY_DBT = "SELECT currency, count(*), sum(amount) FROM marts.fact_transactions GROUP BY currency ORDER BY currency"
BY_HAND = """WITH numbered AS (
        SELECT *, row_number() OVER () AS line FROM read_csv(?, header = true, all_varchar = true)
    ), last_of_each AS (
        SELECT * FROM numbered QUALIFY row_number() OVER (PARTITION BY id ORDER BY line DESC) = 1
    )
    SELECT currency, count(*), sum(amount::DECIMAL(18, 4)) FROM last_of_each GROUP BY currency ORDER BY currency"""


def query(database: Path, statement: str, *values: object) -> list[tuple[object, ...]]:
    with duckdb.connect(str(database), read_only=True) as connection:
        return connection.execute(statement, values).fetchall()


def cpu_seconds() -> float:
    """Return the CPU seconds of finished child processes and of the children of these processes."""
    found = resource.getrusage(resource.RUSAGE_CHILDREN)
    return found.ru_utime + found.ru_stime


def digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def counts(ended: Ended) -> tuple[int, int, int]:
    found = ended.answer["rows"]
    return found["read"], found["loaded"], found["quarantined"]


@pytest.fixture(scope="module")
def sampled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ended]:
    """Load the committed sample into a new database. Returns: the database, and the result of the run."""
    database = tmp_path_factory.mktemp("sampled") / "my-data.duckdb"
    return database, fds_run(database, SAMPLE)


@pytest.mark.slow
def test_project_in_a_path_with_a_space_and_the_name_of_a_column_installs_its_plugins_and_runs(tmp_path: Path) -> None:
    folder = tmp_path / "my project" / "currency=GBP"
    folder.mkdir(parents=True)
    project = Project(folder, "spaced", {"host": "local"}, sources=True)
    run = project.json("run", "--local", "--csv", str(SAMPLE), "--database", str(folder / "first.duckdb"))
    assert run["published"] == str(folder / "first.duckdb")
    assert query(folder / "first.duckdb", "SELECT count(DISTINCT currency) > 1 FROM marts.fact_transactions") == [
        (True,)
    ]


def test_every_row_of_the_sample_is_loaded_quarantined_or_replaced(sampled: tuple[Path, Ended]) -> None:
    database, ended = sampled
    assert ended.code == 0, ended.said
    answer = ended.answer
    assert list(answer)[:6] == ["run_id", "status", "rows", "steps", "checks", "published"]
    assert (answer["status"], answer["published"]) == ("succeeded", str(database))
    assert [step["name"] for step in answer["steps"]] == list(STEPS)
    assert {check["status"] for check in answer["checks"]} <= {"pass", "warn"} and len(answer["checks"]) > 10
    with SAMPLE.open(newline="") as lines:
        records = sum(1 for record in csv.reader(lines) if record) - 1
    read, loaded, quarantined = counts(ended)
    replaced = answer["rows"]["replaced"]
    assert (read, loaded + quarantined + replaced) == (records, records)
    assert quarantined > 0 and replaced > 0
    assert query(database, "SELECT count(*) FROM raw_data.transactions") == [(loaded,)]
    assert {row["file"] for row in answer["quarantine"]} == {SAMPLE.name}
    assert all(row["line"] > 1 and row["reason"] for row in answer["quarantine"])


def test_second_load_of_the_same_file_takes_under_16_cpu_seconds_and_changes_no_row(
    sampled: tuple[Path, Ended],
) -> None:
    database, first = sampled
    before = query(database, BY_DBT)
    slower, used = slowdown(), cpu_seconds()
    done = subprocess.run([sys.executable, "-m", *local_run(database, SAMPLE)], capture_output=True, text=True)
    used, slower = cpu_seconds() - used, (slower + slowdown()) / 2
    second = ended(done)
    assert second.code == 0, second.said
    assert counts(second) == counts(first)
    assert query(database, BY_DBT) == before
    assert used / slower < 16, (used, slower)  # the CPU time that two cores have in 8 s
    assert [run.status for run in Records(beside(database), None).latest(9)] == ["succeeded", "succeeded"]


def test_marts_equal_the_totals_that_a_query_computes_from_the_file(tmp_path: Path) -> None:
    lines = rows(1, 500) + [line.replace("EUR", "USD") for line in rows(400, 300, "-7.1250")]
    # Use characters that are special in a shell, in SQL or in a glob pattern.
    folder = tmp_path / "it's $HOME [1]"
    folder.mkdir()
    file = write_csv(folder / "a $PATH*.csv", lines)
    database = tmp_path / "it's mine" / "warehouse.duckdb"
    database.parent.mkdir()
    with duckdb.connect(str(database)) as connection:
        connection.execute("CREATE TABLE precious AS SELECT 42 AS answer")
    ended = fds_run(database, file)
    assert ended.code == 0, ended.said
    assert counts(ended) == (800, 699, 0) and ended.answer["rows"]["replaced"] == 101
    by_hand = duckdb.execute(BY_HAND, [str(file).replace("*", "?").replace("[1]", "?1?")]).fetchall()
    assert query(database, BY_DBT) == by_hand
    assert sum(int(str(row[1])) for row in by_hand) == 699
    assert query(database, "SELECT answer FROM precious") == [(42,)]


def test_run_without_the_option_csv_loads_only_new_files_of_the_landing_folder(tmp_path: Path) -> None:
    database = tmp_path / "warehouse.duckdb"
    landing = beside(database).landing
    landing.mkdir(parents=True)
    write_csv(landing / "a.csv", rows(1, 20))
    assert counts(fds_run(database)) == (20, 20, 0)
    write_csv(landing / "b.csv", rows(15, 10, "99.00"))
    assert counts(fds_run(database)) == (10, 10, 0)
    assert query(database, "SELECT count(*), sum(amount) FROM marts.fact_transactions") == [(24, 14 * 10.5 + 990)]


def test_failed_check_publishes_nothing_and_the_next_good_file_is_published(
    sampled: tuple[Path, Ended], tmp_path: Path
) -> None:
    database, _ = sampled
    before, count = digest(database), query(database, "SELECT count(*) FROM marts.fact_transactions")[0][0]
    lines = [line.replace("EUR", "a few euros") for line in rows(1, 3000)]
    ended = fds_run(database, write_csv(tmp_path / "bad.csv", lines))
    assert (ended.code, ended.answer["status"], ended.answer["published"]) == (6, "failed", None)
    assert "currencies_are_codes" in ended.answer["error"]
    assert {check["test_name"]: check["status"] for check in ended.answer["checks"]}["currencies_are_codes"] == "fail"
    assert digest(database) == before
    assert fds_run(database, write_csv(tmp_path / "next.csv", rows(1, 10))).code == 0
    assert query(database, "SELECT count(*) FROM marts.fact_transactions") == [(int(str(count)) + 10,)]
    statuses = [run.status for run in Records(beside(database), None).latest(2)]
    assert statuses == ["succeeded", "failed"]


def test_run_ends_with_exit_code_7_while_another_run_holds_the_lock(tmp_path: Path) -> None:
    database = tmp_path / "warehouse.duckdb"
    paths = beside(database)
    paths.make()
    process = holder(paths, None)
    ended = fds_run(database, SAMPLE)
    process.kill()
    process.wait()
    assert ended.code == 7
    assert "holder-1" in ended.answer["error"] and "since" in ended.answer["error"]
    assert not database.exists()


@pytest.mark.parametrize("suffix", ["", ".wal"])
def test_run_refuses_a_file_that_is_not_a_usable_database_and_leaves_it_unchanged(tmp_path: Path, suffix: str) -> None:
    database = tmp_path / "theirs.duckdb"
    database.write_bytes(b"not a database")
    database.with_name(database.name + suffix).write_bytes(b"not a database")
    ended = fds_run(database, SAMPLE)
    assert ended.code == 2 and ended.answer["next"]
    assert database.read_bytes() == b"not a database"


def test_missing_csv_file_is_a_usage_error_and_creates_nothing(tmp_path: Path) -> None:
    ended = fds_run(tmp_path / "warehouse.duckdb", tmp_path / "missing.csv")
    assert (ended.code, ended.answer["error"]) == (2, "no such CSV file")
    assert list(tmp_path.iterdir()) == []

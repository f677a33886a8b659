"""Read and compare what the pipeline has published, and pause a run while it publishes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg

from stack_runtime.docker_exec import execute
from tests.integration.orchestration.conftest import Orchestration, wait_for
from tests.kit.project import SAMPLE

FILE = "/data/published/warehouse.duckdb"
_FACTS = "SELECT count(*), count(DISTINCT transaction_id), CAST(sum(amount) AS VARCHAR) FROM marts.fact_transactions"
_MARTS = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'marts' ORDER BY table_name"
_PROGRAM = f"""
import duckdb, json, sys
database = duckdb.connect(sys.argv[1], read_only=True)
marts = [name for name, in database.sql("{_MARTS}").fetchall()]
counts = {{mart: database.sql(f'SELECT count(*) FROM marts."{{mart}}"').fetchone()[0] for mart in marts}}
run, = database.sql("SELECT run_id FROM fds.publication").fetchone()
print(json.dumps([run, counts, database.sql("{_FACTS}").fetchone()]))
"""
_BLOCKED = """SELECT count(*) FROM pg_stat_activity
    WHERE application_name = 'fds publish' AND wait_event_type = 'Lock'"""


@dataclass(frozen=True)
class Published:
    """What a run published: its id, the row count of each mart, and rows, distinct ids and total of transactions."""

    run_id: str
    marts: dict[str, int]
    facts: tuple[int, int, str]


def published(stack: Orchestration, file: str = FILE) -> Published:
    """Read a warehouse file in the runner; return the id of the run that published it, row counts and total amount."""
    done = execute(stack.runner.container, ["python", "-c", _PROGRAM, file])
    assert done.code == 0, done.err
    run_id, marts, facts = json.loads(done.out)
    return Published(run_id, marts, tuple(facts))


def assert_same_in_postgres(stack: Orchestration, expected: Published) -> None:
    """Assert that the marts in PostgreSQL have the row counts and the total amount in `expected`."""
    with connected(stack) as connection:
        names = [name for (name,) in connection.execute(_MARTS)]
        counts = {name: connection.execute(f'SELECT count(*) FROM marts."{name}"').fetchone() for name in names}
        rows, keys, total = connection.execute(_FACTS).fetchone() or (0, 0, "0")
    assert {name: found[0] for name, found in counts.items() if found} == expected.marts
    assert (rows, keys, float(total)) == (*expected.facts[:2], float(expected.facts[2]))


def assert_dag_run_equals_a_run_in_one_process(stack: Orchestration, run_id: str) -> None:
    """Run the DAG `pipeline` with the sample, and compare it with `fds run` of the same file into another database."""
    stack.land("transactions.csv", SAMPLE.read_bytes())
    stack.airflow.trigger("pipeline", run_id)
    assert stack.ended(run_id) == "success", stack.logs_of(run_id)
    _, (run,) = stack.pipeline("history", "--last", "1", "--json")
    alone = {"FDS_DATABASE": "/tmp/here.duckdb", "FDS_POSTGRES_HOST": ""}
    code, here = stack.pipeline("run", "--json", "--csv", "/data/landing/transactions.csv", environment=alone)
    assert code == 0, here
    assert run["status"] == here["status"] == "succeeded" and run["published"]
    assert run["rows"] == here["rows"]
    assert [(c["test_name"], c["status"]) for c in run["checks"]] == [
        (c["test_name"], c["status"]) for c in here["checks"]
    ]
    found, expected = published(stack), published(stack, "/tmp/here.duckdb")
    assert found.facts[0] > 2000 and (found.marts, found.facts) == (expected.marts, expected.facts)
    assert_same_in_postgres(stack, found)
    assert any("step begins" in line for line in stack.airflow.logs("pipeline", run_id)["load_tap-csv"])


@contextmanager
def connected(stack: Orchestration) -> Iterator[psycopg.Connection[Any]]:
    """Connect to the database `marts` as the pipeline does."""
    postgres = stack.services["postgres"]
    with psycopg.connect(
        host=postgres.address, user="pipeline", password=postgres.context.secrets["pipeline_password"], dbname="marts",
        connect_timeout=20,
    ) as connection:  # fmt: skip
        yield connection


@contextmanager
def held_in_publish(stack: Orchestration, run_id: str) -> Iterator[None]:
    """Pause the run inside its transaction in PostgreSQL while the block runs: no new data is visible to readers yet.

    A table lock, which admits readers but not writers, pauses the run. If the block kills PostgreSQL, the lock ends.
    """
    postgres = stack.services["postgres"]
    connection = psycopg.connect(
        host=postgres.address, user="pipeline", password=postgres.context.secrets["pipeline_password"], dbname="marts"
    )
    try:
        connection.execute("LOCK TABLE marts.fact_transactions IN SHARE MODE")

        def blocked() -> bool:
            with connected(stack) as other:
                return other.execute(_BLOCKED).fetchone() == (1,)

        wait_for(blocked, 300, lambda: stack.logs_of(run_id))
        yield
    finally:
        connection.close()

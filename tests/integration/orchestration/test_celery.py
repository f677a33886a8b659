"""Run the DAG `pipeline` on a Celery worker: same result as `fds run`, kills, and concurrent runs."""

from __future__ import annotations

import json
from urllib.request import urlopen

import httpx2 as httpx
import pytest

from tests.integration.orchestration.conftest import SAMPLE, Orchestration, csv_of, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]  # the first test may build the image

PUBLISHED = "/data/published/warehouse.duckdb"
_COUNT = f"import duckdb; print(duckdb.connect('{PUBLISHED}', read_only=True).sql(\"{{sql}}\").fetchall())"
_COUNTS = """
import duckdb, json, sys
database = duckdb.connect(sys.argv[1], read_only=True)
marts = database.sql("SELECT table_name FROM information_schema.tables WHERE table_schema = 'marts'").fetchall()
print(json.dumps({name: database.sql(f'SELECT count(*) FROM marts."{name}"').fetchone()[0] for (name,) in marts}))
"""


def _rows(celery: Orchestration, sql: str) -> str:
    """Return rows of the published database as Python shows them."""
    code, output = celery.runner.container.exec_run(["python", "-c", _COUNT.format(sql=sql)])
    assert code == 0, output
    return str(output.decode().strip())


def _marts(celery: Orchestration, database: str) -> dict[str, int]:
    """Return the number of rows of each mart in a database of the worker."""
    code, output = celery.runner.container.exec_run(["python", "-c", _COUNTS, database])
    assert code == 0, output
    return dict(json.loads(output))


def test_every_part_is_healthy_and_flower_shows_the_worker(celery: Orchestration) -> None:
    assert set(celery.services) == {
        "postgres", "redis", "airflow-api-server", "airflow-scheduler", "airflow-dag-processor", "airflow-worker",
        "flower", "traefik",
    }  # fmt: skip
    with urlopen(f"http://{celery.services['flower'].address}:5555/workers?json=1", timeout=20) as answer:
        workers = json.load(answer)["data"]
    assert [worker["status"] for worker in workers] == [True], workers


def test_metrics_and_health_of_flower_are_not_reachable_from_outside(celery: Orchestration) -> None:
    proxy = celery.services["traefik"]
    login = httpx.BasicAuth("admin", proxy.context.secrets["ui_password"])
    port = proxy.context.settings.https_port
    with httpx.Client(verify=False, auth=login, headers={"Host": f"flower.localhost:{port}"}) as client:
        assert client.get(f"https://127.0.0.1:{port}/workers").status_code == 200
        for path in ("/metrics", "/healthcheck", "/metrics/", "//metrics", "/%6detrics", "/x/../metrics"):
            assert client.get(f"https://127.0.0.1:{port}{path}").status_code == 404, path
        assert client.get(f"https://127.0.0.1:{port}/workers", auth=None).status_code == 401


def test_dag_run_has_the_same_result_as_fds_run(celery: Orchestration) -> None:
    celery.land("transactions.csv", SAMPLE.read_bytes())
    celery.airflow.trigger("pipeline", "first")
    assert celery.ended("first") == "success", celery.told("first")
    _, (run,) = celery.pipeline("history", "--last", "1", "--json")
    # The same run as a single process, with its own database.
    alone = {"FDS_DATABASE": "/tmp/here.duckdb", "FDS_POSTGRES_HOST": ""}
    code, here = celery.pipeline("run", "--json", "--csv", "/data/landing/transactions.csv", environment=alone)
    assert code == 0, here
    assert run["status"] == here["status"] == "succeeded" and run["published"]
    assert run["rows"] == here["rows"]
    assert [(c["test_name"], c["status"]) for c in run["checks"]] == [
        (c["test_name"], c["status"]) for c in here["checks"]
    ]
    marts = _marts(celery, PUBLISHED)
    assert marts["fact_transactions"] > 2000 and marts == _marts(celery, "/tmp/here.duckdb")
    logs = celery.airflow.logs("pipeline", "first")
    assert any("step begins" in line for line in logs["load_tap-csv"])


def test_worker_killed_during_a_load_neither_loses_nor_duplicates_rows(celery: Orchestration) -> None:
    before = _rows(celery, "SELECT count(*) FROM marts.fact_transactions")
    celery.land("more.csv", csv_of(1, 20_000))
    celery.airflow.trigger("pipeline", "killed")
    worker = celery.runner.container

    def loads() -> bool:
        return "meltano" in str(worker.top()["Processes"])

    wait_for(loads, 120, lambda: celery.told("killed"))
    code, refused = celery.pipeline("run", "--json")
    assert code == 7, refused  # no second run may start meanwhile
    worker.kill("SIGKILL")
    worker.start()
    assert celery.ended("killed", 360) == "success", celery.told("killed")
    after = _rows(celery, "SELECT count(*) FROM marts.fact_transactions")
    count = (
        "SELECT count(*), count(DISTINCT transaction_id) FROM marts.fact_transactions WHERE transaction_id LIKE 'x%'"
    )
    assert _rows(celery, count) == "[(20000, 20000)]"
    assert int(after.strip("[(,)]")) == int(before.strip("[(,)]")) + 20_000

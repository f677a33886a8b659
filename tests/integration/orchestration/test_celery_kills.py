"""Kill or stop containers during a run of the DAG `pipeline` on Celery: readers see only complete runs."""

from __future__ import annotations

from itertools import count

import pytest

from stack_runtime.docker_exec import execute
from tests.integration.orchestration.conftest import Orchestration, csv_of, wait_for
from tests.integration.orchestration.draining import assert_stopped_runner_completes_the_task
from tests.integration.orchestration.published import assert_same_in_postgres, held_in_publish, published

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]  # the first test may build the image

ROWS = 5_000
_FIRST_IDS = count(1_000_000, ROWS)
# The pattern has `[.]` instead of a dot, so that `grep` does not find the command line of this loop itself.
_LOADS = "until grep -qs '[.]venvs/meltano' /proc/[0-9]*/cmdline; do sleep 0.05; done"
# Wait until the step `transform` has opened the database, which the steps before it also open. Its process alone is not
# enough, because dbt first parses the project.
_BUILDS = (
    "while true; do for process in /proc/[0-9]*; do grep -qsa 'step.transfor[m]' $process/cmdline "
    "&& ls -l $process/fd | grep -q '[.]draft/warehouse[.]duckdb' && exit 0; done; sleep 0.05; done"
)


def _wait_in_worker(celery: Orchestration, loop: str) -> None:
    done = execute(celery.runner.container, ["timeout", "240", "sh", "-c", loop])
    assert done.code == 0, done


def _restart_after_kill(celery: Orchestration, service: str) -> None:
    """Kill a container and start it again, because Docker does not restart a container that its API killed."""
    container = celery.services[service].container
    container.kill("SIGKILL")
    container.start()


def _assert_complete(celery: Orchestration, run_id: str, rows_before: int) -> None:
    """Assert that the run succeeded in the end, and that the warehouse file and PostgreSQL have its rows once."""
    assert celery.ended(run_id, 400) == "success", celery.logs_of(run_id)
    after = published(celery)
    assert after.facts[:2] == (rows_before + ROWS, rows_before + ROWS)
    assert_same_in_postgres(celery, after)
    _, (record,) = celery.pipeline("history", "--last", "1", "--json")
    assert (record["run_id"], record["status"], record["rows"]["loaded"]) == (after.run_id, "succeeded", ROWS)


@pytest.mark.parametrize(
    ("service", "moment"),
    [
        ("airflow-worker", _LOADS),
        ("airflow-worker", _BUILDS),
        ("airflow-scheduler", _LOADS),
        ("redis", _BUILDS),
        ("postgres", _LOADS),
        ("postgres", _BUILDS),
    ],
    ids=["worker-load", "worker-dbt", "scheduler-load", "redis-dbt", "postgres-load", "postgres-dbt"],
)
def test_every_row_is_published_once_after_a_container_is_killed_during_the_load_or_dbt(
    celery_with_data: Orchestration, service: str, moment: str
) -> None:
    celery, before = celery_with_data, published(celery_with_data)
    first = next(_FIRST_IDS)
    run_id = f"{service}-killed-{first}"
    celery.land(f"{run_id}.csv", csv_of(first, ROWS))
    celery.airflow.trigger("pipeline", run_id)
    _wait_in_worker(celery, moment)
    _restart_after_kill(celery, service)
    wait_for(lambda: published(celery) == before, 60, celery.runner.logs)
    _assert_complete(celery, run_id, before.facts[0])


@pytest.mark.parametrize("service", ["airflow-worker", "airflow-scheduler", "redis", "postgres"])
def test_every_row_is_published_once_after_a_container_is_killed_during_publishing(
    celery_with_data: Orchestration, service: str
) -> None:
    celery, before = celery_with_data, published(celery_with_data)
    first = next(_FIRST_IDS)
    run_id = f"{service}-killed-in-publish-{first}"
    celery.land(f"{run_id}.csv", csv_of(first, ROWS))
    celery.airflow.trigger("pipeline", run_id)
    with held_in_publish(celery, run_id):
        _restart_after_kill(celery, service)
        if service != "postgres":  # a kill of PostgreSQL ends the lock that pauses the run
            assert published(celery) == before
            assert_same_in_postgres(celery, before)
    _assert_complete(celery, run_id, before.facts[0])
    if service in ("airflow-worker", "postgres"):
        assert celery.tries(run_id)["publish"] > 1, "the kill did not interrupt the step"


def test_stopped_worker_completes_its_task_and_the_dag_run_succeeds_after_a_restart(
    celery_with_data: Orchestration,
) -> None:
    assert_stopped_runner_completes_the_task(celery_with_data)

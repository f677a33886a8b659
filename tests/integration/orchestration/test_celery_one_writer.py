"""Try twenty times to start a second run: each attempt is refused in one sentence or waits for the first run."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from tests.integration.orchestration.conftest import Orchestration, csv_of, wait_for
from tests.integration.orchestration.published import assert_same_in_postgres, held_in_publish, published

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]  # the first test may build the image

CSV = ("--csv", "/data/landing/second.csv")
OTHER = ("--run-id", "other")
FILE_LOCK_ONLY = {"FDS_POSTGRES_HOST": ""}
POSTGRES_LOCK_ONLY = {"FDS_DATA_DIR": "/tmp/elsewhere"}
WHILE_A_STEP_WORKS: list[tuple[tuple[str, ...], dict[str, str]]] = [
    (("run",), {}),
    (("run", *CSV), {}),
    (("run", *CSV), FILE_LOCK_ONLY),
    (("run", *CSV), POSTGRES_LOCK_ONLY),
    (("run", "--source", "tap-csv"), {}),
    (("run", "--plan"), {}),
    (("build",), {}),
    (("test",), {}),
    (("diff",), {}),
    (("step", "begin", *OTHER), {}),
    (("step", "load", *OTHER, "--of", "tap-csv"), {}),
]
BETWEEN_TWO_STEPS = [("run",), ("build",), ("test",), ("diff",), ("step", "begin", *OTHER)]
DAG_RUN_BETWEEN_TWO_STEPS = "waits"
DAG_RUNS_AT_ONCE = ["at-once-1", "at-once-2", "at-once-3"]


def test_this_module_tries_twenty_times_to_start_a_second_run() -> None:
    dag_runs = [DAG_RUN_BETWEEN_TWO_STEPS, *DAG_RUNS_AT_ONCE]
    assert len(WHILE_A_STEP_WORKS) + len(BETWEEN_TWO_STEPS) + len(dag_runs) == 20


def _assert_refused(answer: tuple[int, Any], holder: str, attempt: object) -> None:
    code, document = answer
    assert code == 7, (attempt, document)
    assert document["error"].startswith(f"the pipeline is held by run {holder}"), (attempt, document)
    assert "\n" not in document["error"] and document["next"], (attempt, document)


def _history(celery: Orchestration) -> list[dict[str, Any]]:
    _, runs = celery.pipeline("history", "--last", "100", "--json")
    return sorted(runs, key=lambda run: str(run["started_at"]))


def _assert_none_overlap(celery: Orchestration) -> None:
    # Leave out interrupted runs, because their ends are unknown.
    runs = [run for run in _history(celery) if run["status"] != "interrupted"]
    ends = [datetime.fromisoformat(run["finished_at"]) for run in runs]
    begins = [datetime.fromisoformat(run["started_at"]) for run in runs]
    assert all(end <= begin for end, begin in zip(ends, begins[1:], strict=False)), runs


def test_second_run_is_refused_while_a_step_works(celery_with_data: Orchestration) -> None:
    celery, before = celery_with_data, published(celery_with_data)
    celery.land("second.csv", csv_of(2_000_000, 100))
    celery.airflow.trigger("pipeline", "works")
    with held_in_publish(celery, "works"):
        runs = _history(celery)
        holder = runs[-1]["run_id"]
        for words, environment in WHILE_A_STEP_WORKS:
            _assert_refused(celery.pipeline(*words, environment=environment), holder, words)
        assert _history(celery) == runs and published(celery) == before
    assert celery.ended("works") == "success", celery.logs_of("works")
    assert published(celery).facts[:2] == (before.facts[0] + 100, before.facts[0] + 100)
    _assert_none_overlap(celery)


def test_command_is_refused_and_a_second_dag_run_waits_between_two_steps_of_a_run(
    celery_with_data: Orchestration,
) -> None:
    celery, before = celery_with_data, published(celery_with_data)
    celery.land("third.csv", csv_of(2_100_000, 100))
    code, begun = celery.pipeline("step", "begin", "--run-id", "by-hand")
    assert code == 0, begun
    for words in BETWEEN_TWO_STEPS:
        _assert_refused(celery.pipeline(*words), "by-hand", words)
    celery.airflow.trigger("pipeline", DAG_RUN_BETWEEN_TWO_STEPS)

    def refused_once() -> bool:
        lines = celery.airflow.logs("pipeline", DAG_RUN_BETWEEN_TWO_STEPS).get("begin", [])
        return any("the pipeline is held by run by-hand" in line for line in lines)

    wait_for(refused_once, 120, lambda: celery.logs_of(DAG_RUN_BETWEEN_TWO_STEPS))
    assert published(celery) == before
    celery.pipeline("step", "abandon", "--run-id", "by-hand", "--of", "the test ends it")
    assert celery.ended(DAG_RUN_BETWEEN_TWO_STEPS) == "success", celery.logs_of(DAG_RUN_BETWEEN_TWO_STEPS)
    assert celery.tries(DAG_RUN_BETWEEN_TWO_STEPS)["begin"] > 1
    assert published(celery).facts[:2] == (before.facts[0] + 100, before.facts[0] + 100)
    _assert_none_overlap(celery)


def test_dag_runs_triggered_at_the_same_time_run_one_after_the_other(celery_with_data: Orchestration) -> None:
    celery, before = celery_with_data, published(celery_with_data)
    celery.land("fourth.csv", csv_of(2_200_000, 100))
    runs = len(_history(celery))
    for run_id in DAG_RUNS_AT_ONCE:
        celery.airflow.trigger("pipeline", run_id)
    assert [celery.ended(run_id) for run_id in DAG_RUNS_AT_ONCE] == ["success"] * 3
    after = published(celery)
    assert after.facts[:2] == (before.facts[0] + 100, before.facts[0] + 100)
    assert_same_in_postgres(celery, after)
    assert len(_history(celery)) == runs + 3
    _assert_none_overlap(celery)

"""Check that the container that runs Airflow's tasks completes a running task before it stops."""

from __future__ import annotations

import time
from threading import Thread

from tests.integration.orchestration.conftest import Orchestration, csv_of
from tests.integration.orchestration.published import assert_same_in_postgres, held_in_publish, published

ROWS = 1_000
BUSY_S = 25
"""Seconds that the task still works after the container is told to stop: more than the default of `Service.grace_s`."""


def assert_stopped_runner_completes_the_task(stack: Orchestration) -> None:
    """Assert that a DAG run, during which the container is stopped, completes without a second try of a task.

    The stack must have published data before.
    """
    before, runner = published(stack), stack.runner.container
    stack.land("drained.csv", csv_of(3_000_000, ROWS))
    stack.airflow.trigger("pipeline", "drained")
    stop = Thread(target=lambda: runner.stop(timeout=stack.runner.service.grace_s))
    with held_in_publish(stack, "drained"):
        stop.start()
        time.sleep(BUSY_S)
        runner.reload()
        assert runner.status == "running", stack.runner.logs()
    stop.join()
    runner.reload()
    assert (runner.status, runner.attrs["State"]["ExitCode"]) == ("exited", 0), stack.runner.logs()
    runner.start()
    assert stack.ended("drained") == "success", stack.logs_of("drained")
    assert set(stack.tries("drained").values()) <= {0, 1}, "a task was interrupted"
    after = published(stack)
    assert after.facts[:2] == (before.facts[0] + ROWS, before.facts[0] + ROWS)
    assert_same_in_postgres(stack, after)

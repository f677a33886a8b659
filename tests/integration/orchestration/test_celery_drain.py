"""A worker that is stopped in a task ends the task first and takes no other; what is queued waits for its restart."""

from __future__ import annotations

import time
from threading import Thread

import pytest

from tests.integration.orchestration.conftest import Orchestration, csv_of
from tests.integration.orchestration.published import assert_same_in_postgres, held_in_publish, published

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]  # the first test may build the image

ROWS = 1_000
BUSY_S = 25
"""Longer than Docker (10 s) or the engine (20 s) waits for other containers before it kills them."""


def test_stopped_worker_ends_its_task_and_no_task_is_lost(celery_with_data: Orchestration) -> None:
    celery, before = celery_with_data, published(celery_with_data)
    worker = celery.runner.container
    celery.land("drained.csv", csv_of(3_000_000, ROWS))
    celery.airflow.trigger("pipeline", "drained")
    stop = Thread(target=lambda: worker.stop(timeout=celery.runner.service.grace_s))
    with held_in_publish(celery, "drained"):
        stop.start()
        time.sleep(BUSY_S)
        worker.reload()
        assert worker.status == "running", celery.runner.logs()
    stop.join()
    worker.reload()
    assert (worker.status, worker.attrs["State"]["ExitCode"]) == ("exited", 0), celery.runner.logs()
    worker.start()
    assert celery.ended("drained") == "success", celery.told("drained")
    assert set(celery.tries("drained").values()) <= {0, 1}, "a task was interrupted"
    after = published(celery)
    assert after.facts[:2] == (before.facts[0] + ROWS, before.facts[0] + ROWS)
    assert_same_in_postgres(celery, after)

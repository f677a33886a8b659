"""Test the DAG `pipeline` on a Celery worker: it has the same result as `fds run` and stays within reserved memory."""

from __future__ import annotations

import json
from urllib.request import urlopen

import httpx2 as httpx
import pytest

from tests.integration.orchestration.conftest import Orchestration, assert_large_run_stays_within_reservations
from tests.integration.orchestration.published import assert_dag_run_equals_a_run_in_one_process

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]  # the first test may build the image


def test_expected_services_run_and_flower_shows_one_worker_that_is_online(celery: Orchestration) -> None:
    assert set(celery.services) == {
        "postgres", "redis", "airflow-api-server", "airflow-scheduler", "airflow-dag-processor", "airflow-worker",
        "flower", "traefik",
    }  # fmt: skip
    with urlopen(f"http://{celery.services['flower'].address}:5555/workers?json=1", timeout=20) as answer:
        workers = json.load(answer)["data"]
    assert [worker["status"] for worker in workers] == [True], workers


def test_metrics_and_health_of_flower_cannot_be_reached_through_the_proxy_even_with_a_login(
    celery: Orchestration,
) -> None:
    proxy = celery.services["traefik"]
    login = httpx.BasicAuth("admin", proxy.context.secrets["ui_password"])
    port = proxy.context.settings.https_port
    with httpx.Client(verify=False, auth=login, headers={"Host": f"flower.localhost:{port}"}) as client:
        assert client.get(f"https://127.0.0.1:{port}/workers").status_code == 200
        for path in ("/metrics", "/healthcheck", "/metrics/", "//metrics", "/%6detrics", "/x/../metrics"):
            assert client.get(f"https://127.0.0.1:{port}{path}").status_code == 404, path
        assert client.get(f"https://127.0.0.1:{port}/workers", auth=None).status_code == 401


def test_dag_run_has_the_same_result_as_fds_run(celery: Orchestration) -> None:
    assert_dag_run_equals_a_run_in_one_process(celery, "first")


def test_run_of_200_000_rows_stays_within_the_reserved_memory(celery: Orchestration) -> None:
    assert_large_run_stays_within_reservations(celery)

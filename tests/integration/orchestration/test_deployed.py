"""Test the profile `orchestration` deployed with `fds up`: health, status, another executor, more workers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import docker
import pytest

from stack_runtime import airflow
from stack_runtime.errors import UnreachableError
from tests.integration.orchestration.conftest import wait_for
from tests.kit import layers
from tests.kit.ports import free_ports
from tests.kit.project import SAMPLE, Project

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]  # the first test may build images

OTHERS = ("airflow-api-server", "airflow-dag-processor", "postgres", "traefik", "streamlit")
CELERY = Counter([*OTHERS, "airflow-scheduler", "airflow-worker", "redis", "flower"])
LOCAL = Counter([*OTHERS, "airflow-local"])


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    settings = {"host": "local", "profiles": ["orchestration"], "executor": "celery", **free_ports()}
    made = Project(tmp_path_factory.mktemp("orchestrated"), "t-orchestrated", settings)
    made.clear()
    yield made
    made.clear()


@pytest.fixture(scope="module")
def celery(project: Project) -> Project:
    """Return the deployed stack, after one run of the pipeline and one run of the DAG `maintenance`."""
    assert _up(project) > 0
    layers.keep(docker.from_env())
    project.json("run", "--csv", str(SAMPLE), timeout=600)
    _run_dag(project, "on-celery")
    return project


def _up(project: Project) -> int:
    """Deploy the stack, and return the number of changed resources."""
    return int(project.json("up", timeout=900)["changed"])


def _run_dag(project: Project, run_id: str) -> None:
    """Run the DAG `maintenance`, which takes little time, and wait until it succeeds."""
    server = airflow.api_server(docker.from_env(), project.stack)
    path = "/dags/maintenance/dagRuns"

    def answer(method: str, below: str, body: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        with suppress(UnreachableError):  # on a busy machine, Airflow may answer too late; `wait_for` asks again
            return airflow.request(server, method, path + below, body)
        return 0, {}

    def started() -> bool:
        status, _ = answer("POST", "", {"dag_run_id": run_id, "logical_date": None})
        return status in (200, 409)  # 404: the DAG is not parsed yet; 409: an earlier request started the run

    def succeeded() -> bool:
        return answer("GET", f"/{run_id}")[1].get("state") == "success"

    wait_for(started, 120, lambda: "the DAG maintenance is not parsed")
    wait_for(succeeded, 300, lambda: project.fds("status").stdout)


def _assert_healthy(project: Project, expected: Counter[str]) -> dict[str, Any]:
    """Assert that each service has its expected number of containers, all healthy; return the status."""
    status = dict(project.json("status"))
    assert Counter(row["service"] for row in status["services"]) == expected
    assert {row["health"] for row in status["services"]} == {"healthy"}
    return status


def test_every_service_is_healthy_and_a_second_fds_up_changes_nothing(celery: Project) -> None:
    status = _assert_healthy(celery, CELERY)
    assert status["last_run"]["status"] == "succeeded"
    assert _up(celery) == 0
    text = celery.fds("status").stdout
    assert "airflow-worker" in text and "DAG run maintenance on-celery: success" in text
    doctor = celery.fds("doctor")
    assert doctor.returncode == 0 and "dags: all can be imported" in doctor.stderr, doctor.stdout + doctor.stderr


def test_switching_the_executor_and_back_keeps_dag_runs_and_the_record_of_the_last_run(celery: Project) -> None:
    record = _assert_healthy(celery, CELERY)["last_run"]
    for executor, services in (("local", LOCAL), ("celery", CELERY)):
        celery.configure({"executor": executor})
        assert _up(celery) > 0
        status = _assert_healthy(celery, services)
        states = {run["dag_run_id"]: run["state"] for run in status["dag_runs"]}
        assert states["on-celery"] == "success" and status["last_run"] == record
    _run_dag(celery, "on-celery-again")


def test_three_workers_instead_of_one_add_two_containers_and_replace_only_the_scheduler(celery: Project) -> None:
    celery.configure({"workers": 3})
    before = {str(item.id) for item in docker.from_env().containers.list()}
    assert _up(celery) > 0
    _assert_healthy(celery, CELERY + Counter({"airflow-worker": 2}))
    new = [item.labels["fds.service"] for item in docker.from_env().containers.list(ignore_removed=True)
           if item.id not in before and item.labels.get("fds.stack") == celery.stack]  # fmt: skip
    assert Counter(new) == {"airflow-worker": 2, "airflow-scheduler": 1}, "a container was replaced without a reason"
    celery.configure({"workers": 1})
    _up(celery)
    _assert_healthy(celery, CELERY)

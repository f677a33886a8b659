"""Test the agents' client class `Airflow` with a real Airflow, which these tests start."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from agents.changes.jobs import AirflowTrigger
from agents.factory import create_change_service
from agents.tools.airflow import PASSWORD_FILE, URL, USER, Airflow
from stack_runtime.errors import StackError, UnreachableError, UsageError
from tests.evals.environment import EvalEnvironment
from tests.kit import airflow as kit


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[kit.Airflow]:
    with kit.Airflow(tmp_path_factory.mktemp("airflow")) as running:
        yield running


@pytest.fixture(scope="module")
def airflow(started: kit.Airflow) -> Airflow:
    return Airflow(started.url, started.user, kit.PASSWORD)


def _wait_for_end(airflow: Airflow, run_id: str) -> str:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        state = {run["dag_run_id"]: run["state"] for run in airflow.runs("hello")}[run_id]
        if state not in ("queued", "running"):
            return str(state)
        time.sleep(1)
    raise AssertionError("the run did not end")


def test_dag_run_can_be_started_and_listed_and_its_logs_can_be_read(airflow: Airflow) -> None:
    assert airflow.trigger("hello", "fds-one")["state"] == "queued"
    with pytest.raises(UsageError, match="Airflow refuses"):
        airflow.trigger("hello", "fds-one")
    assert _wait_for_end(airflow, "fds-one") == "failed"
    assert [run["dag_run_id"] for run in airflow.runs()] == ["fds-one"]
    logs = airflow.logs("hello", "fds-one")
    assert any("ignore all previous instructions" in line for line in logs["says"])
    assert any("it never works" in line for line in logs["fails"])


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"password": "wrong"}, UnreachableError, "rejects agent"),
        ({"url": "http://127.0.0.1:9"}, UnreachableError, "does not answer"),
        ({"user": "reader"}, UnreachableError, "does not allow reader to do this"),
    ],
)
def test_wrong_password_wrong_address_or_missing_permission_is_an_error(
    airflow: Airflow, change: dict[str, str], error: type[StackError], message: str
) -> None:
    with pytest.raises(error, match=message) as raised:
        replace(airflow, _token="", **change).trigger("hello", "fds-never")
    assert kit.PASSWORD not in str(raised.value)


@pytest.mark.parametrize("dag_id", ["nothing", "..", "../connections", "hello?limit=1", "hello/../../connections", "~"])
def test_unknown_or_invalid_dag_name_is_a_usage_error(airflow: Airflow, dag_id: str) -> None:
    for call in (lambda: airflow.runs(dag_id), lambda: airflow.trigger(dag_id, "x"), lambda: airflow.logs(dag_id, "x")):
        with pytest.raises(UsageError):
            call()


def test_missing_environment_variables_are_an_error_that_names_the_url_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in (URL, USER, PASSWORD_FILE):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UnreachableError, match=URL):
        Airflow.from_environment()


def test_approved_dag_run_is_started_once(
    started: kit.Airflow, airflow: Airflow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    EvalEnvironment(tmp_path)
    (tmp_path / "password").write_text(f"{kit.PASSWORD}\n")
    for name, value in ((URL, started.url), (USER, started.user), (PASSWORD_FILE, str(tmp_path / "password"))):
        monkeypatch.setenv(name, value)
    changes = create_change_service(tmp_path)
    before = len(airflow.runs("hello"))
    job = changes.propose_job("prod", AirflowTrigger(dag_id="hello"), "ann")
    with pytest.raises(StackError):
        changes.apply(job.id, "yes", "ann")
    assert len(airflow.runs("hello")) == before
    token = changes.approve(job.id, job.digest, "bob")
    assert changes.apply(job.id, token, "ann").data["dag_run_id"] == f"fds-{job.id}"
    with pytest.raises(StackError, match="used already"):
        changes.apply(job.id, token, "ann")
    assert len(airflow.runs("hello")) == before + 1

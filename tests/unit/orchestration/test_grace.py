"""Test how long a container may take to end its work after a stop signal."""

from __future__ import annotations

import pytest

from infra.cost.sources.saved import SHIPPED
from tests.kit.registered import registered


@pytest.mark.parametrize(("executor", "runner"), [("celery", "airflow-worker"), ("local", "airflow-local")])
def test_container_that_runs_airflow_tasks_has_five_minutes_to_end_them(executor: str, runner: str) -> None:
    settings = {"host": "local", "profiles": ["orchestration"], "executor": executor}
    found = {
        each.name.removeprefix("prod-"): (each.inputs["stopTimeout"], each.inputs["destroyGraceSeconds"])
        for each in registered(settings, FDS_PRICES_DIR=str(SHIPPED))
        if each.kind == "docker:index/container:Container" and not each.name.endswith("-files")
    }
    assert found.pop(runner) == (300, 300)
    assert set(found.values()) == {(20, 20)}

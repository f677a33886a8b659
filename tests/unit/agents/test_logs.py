"""Test reading the logs of a DAG run in which one task has not started."""

from __future__ import annotations

from typing import Any

import pytest

from agents.tools.airflow import Airflow


def test_task_that_has_not_started_has_no_log_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    def send(_: Airflow, method: str, path: str, *__: Any) -> tuple[int, dict[str, Any]]:
        """Answer like Airflow when the task `load` has run, and the task `begin` has not started and has no log."""
        if path.endswith("/taskInstances"):
            tasks = [{"task_id": "begin", "try_number": 0}, {"task_id": "load", "try_number": 1}]
            return 200, {"task_instances": [{**task, "map_index": -1} for task in tasks]}
        if "/logs/0" in path:
            return 404, {"detail": "TaskInstance not found"}
        return 200, {"content": [{"event": "loaded"}], "access_token": "a token"}

    monkeypatch.setattr(Airflow, "_send", send)
    logs = Airflow("http://airflow", "agent", "a password").logs("pipeline", "one")
    assert logs["begin"] == [] and "loaded" in logs["load"][0]

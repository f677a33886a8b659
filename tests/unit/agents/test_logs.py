"""Test reading the logs of a DAG run: tasks that have not started, and long logs."""

from __future__ import annotations

from typing import Any

import pytest

from agents.tools.airflow import Airflow
from agents.tools.result import MAX_CHARACTERS, capped, last_lines


@pytest.mark.parametrize(
    ("number", "lines"), [(0, []), (2, ["Airflow refuses: TaskInstance not found"])], ids=["not started", "no log"]
)
def test_logs_of_other_tasks_are_returned_if_airflow_has_no_log_of_one_task(
    monkeypatch: pytest.MonkeyPatch, number: int, lines: list[str]
) -> None:
    def send(_: Airflow, method: str, path: str, *__: Any) -> tuple[int, dict[str, Any]]:
        """Answer like Airflow for a DAG run with a log of the task `load` and without a log of the task `begin`."""
        if path.endswith("/taskInstances"):
            tasks = [{"task_id": "begin", "try_number": number}, {"task_id": "load", "try_number": 1}]
            return 200, {"task_instances": [{**task, "map_index": -1} for task in tasks]}
        if f"/logs/{number}" in path:
            return 404, {"detail": "TaskInstance not found"}
        return 200, {"content": [{"event": "loaded"}], "access_token": "a token"}

    monkeypatch.setattr(Airflow, "_send", send)
    logs = Airflow("http://airflow", "agent", "a password").logs("pipeline", "one")
    assert logs["begin"] == lines and "loaded" in logs["load"][0]


def test_long_logs_of_tasks_keep_their_last_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    def send(_: Airflow, method: str, path: str, *__: Any) -> tuple[int, dict[str, Any]]:
        """Answer like Airflow when three tasks wrote 150 lines of 300 characters each."""
        if path.endswith("/taskInstances"):
            tasks = [{"task_id": name, "try_number": 1, "map_index": -1} for name in ("load", "build", "publish")]
            return 200, {"task_instances": tasks}
        lines = [{"event": f"line {number} {'x' * 300}"} for number in range(150)]
        return 200, {"content": lines, "access_token": "a token"}

    monkeypatch.setattr(Airflow, "_send", send)
    logs, cut = capped(Airflow("http://airflow", "agent", "a password").logs("pipeline", "one"))
    assert not cut and sorted(logs) == ["build", "load", "publish"]
    assert all("line 149 " in lines[-1] and len(lines) > 5 for lines in logs.values())


@pytest.mark.parametrize("line", ["x" * 160, "\u00e4" * 160, '{"level": "error"}' * 10])
def test_last_lines_of_a_long_log_fit_into_a_result(line: str) -> None:
    lines = [f"{number} {line}" for number in range(200)]
    kept = last_lines(lines)
    assert capped(kept) == (kept, False)
    assert kept == lines[-len(kept) :] and capped([lines[-len(kept) - 1], *kept])[1]


def test_beginning_and_end_of_a_last_line_that_is_too_long_are_kept() -> None:
    (kept,) = last_lines(["first", f"error: {'x' * 2 * MAX_CHARACTERS} the end"])
    assert kept.startswith("error: ") and kept.endswith(" the end") and capped([kept]) == ([kept], False)
    assert last_lines([]) == []


def test_single_row_that_is_too_long_is_cut_and_not_left_out() -> None:
    data, cut = capped([{"note": "x" * 2 * MAX_CHARACTERS}])
    assert cut and data.startswith('[{"note": "xxx')

"""Test which DAGs count as parsed, and that lists of Airflow are read to their end."""

from __future__ import annotations

from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import pytest

from stack_runtime import airflow

STARTED = "2026-10-08T12:00:00.123456789Z"


class Processor:
    """Double of the container of the DAG processor, which started at `STARTED`."""

    attrs: ClassVar = {"State": {"StartedAt": STARTED}}


@pytest.mark.parametrize(
    ("times", "parsed"),
    [
        ([], False),
        ([None], False),
        (["2026-10-08T11:59:59Z"], False),
        (["2026-10-08T12:00:01Z", "2026-10-08T11:00:00Z"], False),
        (["2026-10-08T12:00:01Z", None], False),
        (["2026-10-08T12:00:01.5Z", "2026-10-08T14:00:02+02:00"], True),
    ],
    ids=["none", "never", "before", "one before", "one never", "all"],
)
def test_dags_count_as_parsed_only_if_all_were_parsed_after_the_processor_started(
    monkeypatch: pytest.MonkeyPatch, times: list[Any], parsed: bool
) -> None:
    answer = {"dags": [{"dag_id": f"dag{number}", "last_parsed_time": time} for number, time in enumerate(times)]}
    monkeypatch.setattr(airflow, "request", lambda server, method, path: (200, answer))
    assert airflow.are_parsed(None, Processor()) is parsed  # type: ignore[arg-type]


@pytest.mark.parametrize("count", [0, 99, 100, 101, 250])
def test_all_pages_of_a_list_are_read(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    def request(_: Any, method: str, path: str) -> tuple[int, dict[str, Any]]:
        """Answer like Airflow, which returns at most 100 entries of a list."""
        asked = {name: int(value[0]) for name, value in parse_qs(urlsplit(path).query).items()}
        numbers = range(count)[asked["offset"] :][: min(asked["limit"], 100)]
        return 200, {"import_errors": [{"filename": f"{n}.py", "stack_trace": f"Error: {n}\n"} for n in numbers]}

    monkeypatch.setattr(airflow, "request", request)
    found = airflow.import_errors(None)  # type: ignore[arg-type]
    assert found == [(f"{n}.py", f"Error: {n}") for n in range(count)]

"""Test that a late pipeline is reported once, also if some of the hourly checks did not run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from data_stack.airflow.lateness import is_news, late_from, quiet_since

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)


def _run(start: datetime, *, published: bool) -> dict[str, Any]:
    end = start + timedelta(minutes=5)
    return {"started_at": start.isoformat(), "finished_at": end.isoformat(), "published": published}


def _reports(checks: list[float], limit: datetime) -> list[float]:
    """Return the checks that report, of checks at these hours after noon."""
    times = [None, *(NOON + timedelta(hours=hours) for hours in checks)]
    pairs = zip(checks, pairwise(times), strict=True)
    return [hours for hours, (previous, now) in pairs if now and is_news(limit, now, previous)]


@pytest.mark.parametrize(
    ("checks", "reported"),
    [
        ([0, 1, 2, 3, 4], [3]),
        ([1.99, 2.999, 4.01, 5], [4.01]),  # no check within the hour after the limit
        ([0, 30, 31], [30]),  # Airflow was down for more than a day
        ([9, 10], [9]),  # the first check finds a late pipeline
        ([0, 1, 2], []),
    ],
)
def test_late_pipeline_is_reported_by_the_first_check_after_the_limit(
    checks: list[float], reported: list[float]
) -> None:
    since = quiet_since([_run(NOON - timedelta(minutes=5), published=True)])
    assert since == NOON
    limit = late_from(since, "hourly")
    assert limit == NOON + timedelta(hours=3)
    assert _reports(checks, limit) == reported


def test_last_published_run_decides_and_failed_runs_do_not_count() -> None:
    runs = [_run(NOON + timedelta(hours=hours), published=hours < 2) for hours in (4, 3, 2, 1, 0)]
    assert quiet_since(runs) == NOON + timedelta(hours=1, minutes=5)
    assert late_from(NOON, "daily") == NOON + timedelta(days=1, hours=2)


def test_start_of_the_oldest_run_counts_if_no_run_published() -> None:
    runs = [_run(NOON + timedelta(hours=hours), published=False) for hours in (1, 0)]
    assert quiet_since(runs) == NOON and quiet_since([]) is None

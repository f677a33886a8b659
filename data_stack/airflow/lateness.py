"""Decide whether a scheduled pipeline is late, and whether an earlier check has already found this."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

PERIODS = {"hourly": timedelta(hours=1), "daily": timedelta(days=1), "weekly": timedelta(days=7)}
"""Time between two runs, by the setting `schedule`."""
GRACE = timedelta(hours=2)
"""Time after the end of a period in which a run may still publish before the pipeline is late."""


def quiet_since(runs: Iterable[Mapping[str, Any]]) -> datetime | None:
    """Return the end of the last run that published; None if there is no run.

    If none of the runs published, return the start of the oldest run.

    Args:
        runs: rows of `history --json`.
    """
    known = list(runs)
    ends = [datetime.fromisoformat(run["finished_at"]) for run in known if run["published"]]
    starts = [datetime.fromisoformat(run["started_at"]) for run in known]
    if not starts:
        return None
    return max(ends) if ends else min(starts)


def late_from(since: datetime, schedule: str) -> datetime:
    """Return the time from which the pipeline is late: the schedule's period plus `GRACE` after `quiet_since`."""
    return since + PERIODS[schedule] + GRACE


def is_news(limit: datetime, now: datetime, previous: datetime | None) -> bool:
    """Return whether the pipeline is late now and was not yet late at the previous check.

    Args:
        limit: the result of `late_from`.
        previous: start of the last check that succeeded; None if there was none.
    """
    return limit <= now and (previous is None or previous < limit)

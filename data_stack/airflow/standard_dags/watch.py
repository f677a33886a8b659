"""The DAG `watch`: report a scheduled pipeline that is late."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

from airflow.sdk import dag, task

from data_stack.airflow.notify import notify
from data_stack.airflow.steps import call_pipeline

EVERY = timedelta(hours=1)
GRACE = timedelta(hours=2)
"""The pipeline is late if the last run that published ended longer ago than the schedule's period plus this time."""
PERIODS = {"hourly": timedelta(hours=1), "daily": timedelta(days=1), "weekly": timedelta(days=7)}
TASK = {"retries": 2, "retry_delay": timedelta(minutes=1), "execution_timeout": timedelta(minutes=10)}


@dag(
    schedule="20 * * * *",
    catchup=False,
    max_active_runs=1,
    doc_md=__doc__,
)
def watch() -> None:
    """Define the DAG with its only task."""

    @task(**TASK)
    def late() -> bool:
        _, runs = call_pipeline("history", "--last", "50", "--json")
        ends = [datetime.fromisoformat(run["finished_at"]) for run in runs if run["published"]]
        over = datetime.now(UTC) - max(ends) - PERIODS[os.environ["FDS_SCHEDULE"]] - GRACE if ends else timedelta(-1)
        if timedelta(0) <= over < EVERY:  # report a late run once, not every hour
            last = max(ends).isoformat(timespec="minutes")
            notify(f"DAG pipeline is late: the last run that published ended at {last}", {"dag": "pipeline"}, [])
        return over >= timedelta(0)

    late()


if os.environ.get("FDS_SCHEDULE") in PERIODS:
    watch()

"""The DAG `watch`: report a scheduled pipeline that is late."""

from __future__ import annotations

import logging
import os
from datetime import timedelta

from airflow.sdk import dag, get_current_context, task
from airflow.sdk.exceptions import AirflowException

from data_stack.airflow.lateness import PERIODS, is_news, late_from, quiet_since
from data_stack.airflow.notify import notify
from data_stack.airflow.steps import call_pipeline

TASK = {"retries": 2, "retry_delay": timedelta(minutes=1), "execution_timeout": timedelta(minutes=10)}

log = logging.getLogger(__name__)


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
        context = get_current_context()
        now, previous = context["dag_run"].start_date, context["prev_start_date_success"]
        code, runs = call_pipeline("history", "--last", "50", "--json")
        if code:
            raise AirflowException(str(runs.get("error")))
        if not (since := quiet_since(runs)):
            return False
        limit = late_from(since, os.environ["FDS_SCHEDULE"])
        # Report a late run once, not every hour. Without an earlier check, `previous` is a proxy that is false.
        if is_news(limit, now, previous or None):
            what = f"DAG pipeline is late: it has published nothing since {since.isoformat(timespec='minutes')}"
            log.warning(what)
            notify(what, {"dag": "pipeline"}, [])
        return bool(limit <= now)

    late()


if os.environ.get("FDS_SCHEDULE") in PERIODS:
    watch()

"""The DAG `pipeline`: load every source, build the models group by group, check the data and publish it."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import timedelta

from airflow.sdk import Asset, CronTriggerTimetable, dag, task
from airflow.sdk.exceptions import AirflowFailException
from data_stack.airflow.graph import GROUPS, MARTS, SOURCES

from data_stack.airflow.notify import notify_failure
from data_stack.airflow.steps import POOL, run_step

CRON = {"hourly": "0 * * * *", "daily": "0 0 * * *", "weekly": "0 0 * * 1"}
"""Cron expressions (UTC) by the setting `schedule`; with `never`, runs are started by hand."""
TASK = {
    "pool": POOL,
    "retries": 4,
    "retry_delay": timedelta(seconds=15),
    "retry_exponential_backoff": 2.0,
    "max_retry_delay": timedelta(minutes=10),
    "execution_timeout": timedelta(hours=1),
}


@task(**TASK)
def begin() -> str:
    return str(run_step("begin")["run_id"])


@task(**TASK)
def load(source: str) -> dict[str, int]:
    return dict(run_step("load", source)["rows"])


@task(**TASK)
def transform(group: str) -> None:
    run_step("transform", group)


@task(**TASK)
def check() -> dict[str, int]:
    checks = run_step("check")["checks"]
    return {"checks": len(checks), "passed": sum(each["status"] == "pass" for each in checks)}


@task(**TASK, outlets=[Asset(f"marts.{mart}") for mart in MARTS])
def publish() -> str:
    return str(run_step("publish")["published"])


@task(**TASK, trigger_rule="one_failed")
def abandon() -> None:
    """Release the pipeline after a failure, so that the next run does not wait.

    This task always fails, because Airflow gives the DAG run the state of its last task.
    """
    with suppress(AirflowFailException):  # there is nothing to release if the run never began
        run_step("abandon", "a task of the DAG run failed")
    raise AirflowFailException("the run has failed, and the pipeline is free again")


def _schedule(cron: str | None) -> CronTriggerTimetable | None:
    """Return a timetable that starts only runs that become due from now on; None without a cron expression.

    With a plain cron expression instead of this timetable, Airflow would also start the last run if it was due less
    than a tenth of the period ago.
    """
    at_once = timedelta(seconds=1)
    return CronTriggerTimetable(cron, timezone="UTC", run_immediately=at_once) if cron else None


@dag(
    schedule=_schedule(CRON.get(os.environ.get("FDS_SCHEDULE", ""))),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=4),
    on_failure_callback=notify_failure,
    doc_md=__doc__,
)
def pipeline() -> None:
    """Connect the tasks. Airflow parses this file often, so this function reads no other file."""
    begun = begin()
    loads = [load.override(task_id=f"load_{_name(source)}")(source) for source in SOURCES]
    built = {group: transform.override(task_id=f"transform_{_name(group)}")(group) for group, _ in GROUPS}
    checked, published = check(), publish()
    begun >> loads
    for group, after in GROUPS:
        (loads if not after else [built[each] for each in after]) >> built[group]
    [begun, *loads, *built.values()] >> checked >> published
    [begun, *loads, *built.values(), checked, published] >> abandon()


def _name(text: str) -> str:
    """Return the name of a source or group, with `_` for each character that a task's name must not have."""
    return "".join(character if character.isalnum() or character in "-_." else "_" for character in text)


pipeline()

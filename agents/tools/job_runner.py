"""Run approved jobs: through the `PipelineTarget` of the stack, or with Airflow."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from agents.changes.jobs import AirflowTrigger, DbtBuild, Job, MeltanoRun
from agents.tools.airflow import Airflow
from agents.tools.meltano import parse_answer
from agents.tools.pipeline_target import PipelineTarget

MAX_SECONDS = 3600.0
"""Time limit of a job, in seconds."""
_RESULT_KEYS = ("run_id", "status", "rows", "steps", "published", "error")


def run_job(
    job: Job, open_target: Callable[[], AbstractContextManager[PipelineTarget]], find_airflow: Callable[[], Airflow]
) -> tuple[dict[str, Any], str]:
    """Run a job; the caller has already checked its approval and used it up.

    An Airflow run is only started; its end is not awaited.

    Returns: the result, and the problem as text; the text is empty if the run succeeded or the Airflow run was started.
    Raises:
        StackError: the job could not start, took longer than `MAX_SECONDS`, or ended without a result.
    """
    work = job.work
    if isinstance(work, AirflowTrigger):
        return find_airflow().trigger(work.dag_id, f"fds-{job.id}"), ""
    if isinstance(work, MeltanoRun):
        words = ["run"]
    else:
        verb = "build" if isinstance(work, DbtBuild) else "test"
        words = [verb, *(["--select", work.select] if work.select else [])]
    with open_target() as target:
        run = parse_answer(*target.call("stack_runtime.pipeline", *words, seconds=MAX_SECONDS))
    failed = [check["test_name"] for check in run["checks"] if check["status"] not in ("pass", "warn")]
    result = {key: run[key] for key in _RESULT_KEYS}
    return {**result, "checks": len(run["checks"]), "failed": failed[:20]}, str(run["error"])

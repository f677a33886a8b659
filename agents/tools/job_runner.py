"""Run approved jobs: on the pipeline's target, or with Airflow."""

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
    """Run a job whose approval was checked and used up by the caller.

    Returns: the result, and the problem of a failed run as text; the text is empty if the run succeeded.
    Raises:
        StackError: the job could not start.
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

"""A job done: by the pipeline's target, or by Airflow. Called from the desk, which has spent the approval before."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from agents.jobs import AirflowTrigger, DbtBuild, Job, MeltanoRun
from agents.tools.airflow import Airflow
from agents.tools.meltano import answered
from agents.tools.target import PipelineTarget

SECONDS = 3600.0
"""The longest that a run may take."""
KEPT = ("run_id", "status", "rows", "steps", "published", "error")


def run(
    job: Job, target: Callable[[], AbstractContextManager[PipelineTarget]], airflow: Callable[[], Airflow]
) -> tuple[dict[str, Any], str]:
    """Do the work of `job`.

    Returns: what came of it, and what is wrong with it, or nothing.
    Raises:
        StackError: it could not begin.
    """
    work = job.work
    if isinstance(work, AirflowTrigger):
        return airflow().trigger(work.dag_id, f"fds-{job.id}"), ""
    if isinstance(work, MeltanoRun):
        words = ["run"]
    else:
        verb = "build" if isinstance(work, DbtBuild) else "test"
        words = [verb, *(["--select", work.select] if work.select else [])]
    with target() as there:
        found = answered(*there.call("stack_runtime.pipeline", *words, seconds=SECONDS))
    failed = [check["test_name"] for check in found["checks"] if check["status"] not in ("pass", "warn")]
    told = {key: found[key] for key in KEPT}
    return {**told, "checks": len(found["checks"]), "failed": failed[:20]}, str(found["error"])

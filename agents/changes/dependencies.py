"""Define what a caller passes to `ChangeService`: the project, and functions for prices, deployment, jobs and time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agents.changes.jobs import Job
from infra.cost import Plan
from infra.cost.planning_inputs import PlanningInputs
from infra.settings import Settings
from stack_runtime.errors import UnreachableError


def _no_runner(job: Job) -> tuple[Any, str]:
    raise UnreachableError(f"{job.work.tool} cannot run here", next_command="fds run")


@dataclass(frozen=True)
class Dependencies:
    """Dependencies of a `ChangeService`.

    Args:
        project: the folder of the stack files.
        planning_inputs: fetches prices, exchange rate and the machine's capacity for the given settings; called again
            when a change is applied or reverted, so that the plan uses current values.
        deploy: deploys the given settings; fails if the engine reads other settings. It calls the given function
            with the deployment's plan; the function raises an error if the approval does not cover this plan.
        check: returns problems of the running stack as text; the list is empty if the stack matches the settings.
        now: returns the current time in UTC.
        run: runs a job; returns its result, and its problem as text. The text is empty if the job succeeded.
    """

    project: Path
    planning_inputs: Callable[[Settings], PlanningInputs]
    deploy: Callable[[Settings, Callable[[Plan], None]], None]
    check: Callable[[Settings], list[str]]
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    run: Callable[[Job], tuple[Any, str]] = _no_runner

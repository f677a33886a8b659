"""Build a `ChangeService` that uses current prices, the engine and the running containers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from agents.changes.dependencies import Dependencies
from agents.changes.service import ChangeService
from agents.tools.airflow import Airflow
from agents.tools.job_runner import run_job
from agents.tools.pipeline_target import open_target
from infra.cost import Plan
from infra.cost.planning_inputs import PlanningInputs, today
from infra.services import selected
from infra.settings import Settings
from stack_runtime.text import Say


def create_change_service(project: Path, report: Say | None = None, *, only: str | None = None) -> ChangeService:
    """Return the `ChangeService` for all stacks of `project`, or only for the stack `only`.

    Args:
        report: called with each progress line of a deployment.
        only: name of the only stack to serve; None to serve all stacks.
    """
    return ChangeService(
        Dependencies(
            project=project,
            planning_inputs=lambda settings: PlanningInputs.of(settings, today(), project=project),
            deploy=lambda approved, check_plan: _deploy(project, approved, check_plan, report),
            check=lambda settings: _unhealthy_services(project, settings),
            run=lambda job: run_job(
                job, lambda: open_target(project, job.stack), lambda: Airflow.of_stack(project, job.stack)
            ),
        ),
        only,
    )


def _deploy(project: Path, approved: Settings, check_plan: Callable[[Plan], None], report: Say | None) -> None:
    """Deploy like `fds up`, but only the approved settings, and only if `check_plan` accepts their current plan."""
    from infra.operations.deploy import deploy  # imported here, because planning does not need it

    deploy(project, approved.stack, report or (lambda _: None), approved=approved, agreed=check_plan)


def _unhealthy_services(project: Path, settings: Settings) -> list[str]:
    """Return one line for each service that does not run as the settings require."""
    from infra.docker_access import daemon
    from stack_runtime.status import services

    with daemon(project, settings.stack) as client:
        rows = services(client, settings.stack)
    problems = []
    for service in selected(settings):
        states = [row["health"] for row in rows if row["service"] == service.name]
        if len(states) != service.replicas(settings) or set(states) != {"healthy"}:
            problems.append(f"{service.name}: {', '.join(states) or 'does not run'}")
    return problems

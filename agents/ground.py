"""The desk of a real project: today's prices, the real engine, and what runs afterwards."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from agents.running import run
from agents.scaling import Ground, ScalingDesk
from agents.tools.airflow import Airflow
from agents.tools.target import open_target
from infra.cost import Plan
from infra.cost.decide import Basis
from infra.services import selected
from infra.settings import Settings


def desk(project: Path, say: Callable[[str], None] | None = None, *, only: str | None = None) -> ScalingDesk:
    """Return the desk for all stacks of `project`, or for one of them.

    Args:
        say: called with each progress line of a deployment.
        only: name of the stack to serve; None for all.
    """
    return ScalingDesk(
        Ground(
            project=project,
            basis=lambda settings: Basis.of(settings, datetime.now(UTC).date(), project=project),
            deploy=lambda approved, agreed: _up(project, approved, agreed, say),
            check=lambda settings: _sick(project, settings),
            run=lambda job: run(job, lambda: open_target(project, job.stack), Airflow.from_environment),
        ),
        only,
    )


def _up(project: Path, approved: Settings, agreed: Callable[[Plan], None], say: Callable[[str], None] | None) -> None:
    """Deploy as `fds up` does, but only the approved settings, and only while their plan is the approved one."""
    from infra.bring_up import bring_up  # the engine's packages take a second that planning does not need

    bring_up(project, approved.stack, say or (lambda _: None), approved=approved, agreed=agreed)


def _sick(project: Path, settings: Settings) -> list[str]:
    """Services that do not run as the settings say."""
    from infra.reach import daemon
    from stack_runtime.status import services

    with daemon(project, settings.stack) as client:
        rows = services(client, settings.stack)
    found = []
    for service in selected(settings):
        healths = [row["health"] for row in rows if row["service"] == service.name]
        if len(healths) != service.replicas(settings) or set(healths) != {"healthy"}:
            found.append(f"{service.name}: {', '.join(healths) or 'does not run'}")
    return found

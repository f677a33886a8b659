"""What the stack is, costs, does and did; and what someone changed behind its back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from agents.scaling import ScalingDesk

LOG_LINES = 200
DRIFT_SECONDS = 180.0


def status(project: Path, stack: str) -> dict[str, Any]:
    """Every service with its health and memory, and the last run."""
    from infra.docker_access import daemon
    from stack_runtime.status import last_run, services

    with daemon(project, stack) as client:
        return {"services": services(client, stack), "last_run": last_run(client, stack)}


def logs(project: Path, stack: str, service: str) -> list[str]:
    """The last lines of a service."""
    from infra.docker_access import daemon
    from stack_runtime.docker_host import running

    with daemon(project, stack) as client:
        text = running(client, stack, service).logs(tail=LOG_LINES)
    return text.decode(errors="replace").splitlines()


def plan(desk: ScalingDesk, stack: str) -> Any:
    """The stack as it will be with everything that is approved, against its budget."""
    return json.loads(desk.plan(stack).model_dump_json())


def cost(desk: ScalingDesk, stack: str) -> dict[str, Any]:
    """The same plan as the bill alone: total, budget and what each thing costs a month."""
    full = plan(desk, stack)
    return {key: full[key] for key in ("verdict", "total_usd", "budget_usd", "lines", "prices", "fx", "warnings")}


def drift(project: Path, stack: str) -> dict[str, int]:
    """Resources by how they differ from what was deployed; nothing is changed by looking."""
    from infra.engine.progress import Progress
    from infra.operations.preview import ReadOnlyOperations

    return ReadOnlyOperations(project, stack, Progress(None)).drift()

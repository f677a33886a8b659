"""Read status, logs, plan, cost and drift of a stack."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from agents.changes.service import ChangeService
from agents.tools.result import last_lines

LOG_LINES = 200
DRIFT_SECONDS = 180.0


def status(project: Path, stack: str) -> dict[str, Any]:
    """Return every service with its health and memory, and the last pipeline run."""
    from infra.docker_access import daemon
    from stack_runtime.status import last_run, services

    with daemon(project, stack) as client:
        return {"services": services(client, stack), "last_run": last_run(client, stack)}


def logs(project: Path, stack: str, service: str) -> list[str]:
    """Return the last log lines of a service."""
    from infra.docker_access import daemon
    from stack_runtime.docker_host import running

    with daemon(project, stack) as client:
        text = running(client, stack, service).logs(tail=LOG_LINES)
    return last_lines(text.decode(errors="replace").splitlines())


def plan(changes: ChangeService, stack: str) -> Any:
    """Return the plan of the stack with all approved changes."""
    return json.loads(changes.plan(stack).model_dump_json())


def cost(changes: ChangeService, stack: str) -> dict[str, Any]:
    """Return verdict, total, budget, cost lines, prices, exchange rate and warnings of the result of `plan`."""
    full = plan(changes, stack)
    return {key: full[key] for key in ("verdict", "total_usd", "budget_usd", "lines", "prices", "fx", "warnings")}


def drift(project: Path, stack: str) -> dict[str, int]:
    """Compare the real resources with the Pulumi state.

    Returns: number of resources by the operation of a refresh (`same`, `update`, `delete`).
    """
    from infra.engine.progress import Progress
    from infra.operations.preview import ReadOnlyOperations

    return ReadOnlyOperations(project, stack, Progress(None)).drift()

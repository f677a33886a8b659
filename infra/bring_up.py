"""A whole deployment, from the checks before it to the health after it: what `fds up` and the agents call."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from infra.deploy import Deployment
from infra.heal import heal
from infra.preflight import check
from infra.progress import Progress
from infra.reach import daemon
from infra.stack_file import read
from stack_runtime.errors import UnreachableError
from stack_runtime.status import unhealthy


def bring_up(project: Path, stack: str, say: Callable[[str], None], *, watched: bool = True) -> dict[str, int]:
    """Bring the stack to what its file says, and wait until every service is healthy.

    Args:
        say: takes lines for a person.
        watched: say each resource as well, not only what is healed.

    Returns: number of resources by operation (`create`, `update`, `replace`, `delete`, `same`).

    Raises:
        StackError: of every kind that `infra.deploy.Deployment` raises, and UnreachableError for a sick service.
    """
    check(read(project, stack))
    deployment = Deployment(project, stack, Progress(say if watched else None))
    heal(deployment, say)
    deployment.generate_secrets()
    changes = deployment.up()
    with daemon(project, stack) as client:
        sick = unhealthy(client, stack)
    if sick:
        raise UnreachableError(f"deployed, but not healthy: {', '.join(sick)}", next_command=f"fds logs {sick[0]}")
    return changes

"""`fds up`: bring the stack to what its file says."""

from __future__ import annotations

import time

from fds.output import AsJson, Debug, Stack, answer, say


def command(stack: Stack = "dev", as_json: AsJson = False, debug: Debug = False) -> None:
    """Deploy the stack and wait until every service is healthy."""
    from infra.deploy import Deployment
    from infra.heal import heal
    from infra.preflight import check
    from infra.progress import Progress
    from infra.reach import daemon
    from stack_runtime.errors import UnreachableError
    from stack_runtime.paths import project_dir
    from stack_runtime.status import unhealthy

    began = time.monotonic()
    project = project_dir()
    deployment = Deployment(project, stack, Progress(None if as_json else say))
    check(deployment.settings)
    heal(deployment, say)
    deployment.generate_secrets()
    changes = deployment.up()
    with daemon(project, stack) as client:
        sick = unhealthy(client, stack)
    if sick:
        raise UnreachableError(f"deployed, but not healthy: {', '.join(sick)}", next_command=f"fds logs {sick[0]}")
    changed = sum(count for operation, count in changes.items() if operation != "same")
    seconds = round(time.monotonic() - began, 1)
    if as_json:
        answer({"stack": stack, "changes": changes, "changed": changed, "seconds": seconds})
    else:
        say(f"{stack}: {changed} resources changed, {changes.get('same', 0)} as they were, {seconds} s")

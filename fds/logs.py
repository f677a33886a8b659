"""`fds logs`: show the log of a service."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from fds.output import Stack


def command(
    service: Annotated[str, typer.Argument(help="Name of the service, as in fds status.")],
    stack: Stack = "dev",
    tail: Annotated[int, typer.Option("--tail", min=1, max=100_000, help="Number of last lines.")] = 100,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Keep printing new lines.")] = False,
) -> None:
    """Print the last lines of a service's log."""
    from infra.docker_access import daemon
    from stack_runtime.docker_host import containers
    from stack_runtime.errors import UsageError
    from stack_runtime.labels import SERVICE_LABEL
    from stack_runtime.paths import project_dir

    with daemon(project_dir(), stack) as client:
        found = containers(client, stack, service)
        if not found:
            known = ", ".join(sorted({item.labels[SERVICE_LABEL] for item in containers(client, stack)})) or "none"
            raise UsageError(f"no service {service} in stack {stack}, running: {known}", next_command="fds status")
        for chunk in found[0].logs(stream=True, tail=tail, follow=follow):
            sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()

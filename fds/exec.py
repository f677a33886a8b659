"""`fds exec`: run a command inside a service."""

from __future__ import annotations

import subprocess
import sys
from typing import Annotated

import typer

from fds.output import Stack


def command(
    service: Annotated[str, typer.Argument(help="Name of the service, as in fds status.")],
    words: Annotated[list[str], typer.Argument(help="The command and its arguments, after --.")],
    stack: Stack = "dev",
) -> None:
    """Run a command in a running service, for example: fds exec postgres -- psql -U postgres."""
    from infra.docker_access import endpoint
    from stack_runtime.docker_host import connect, running
    from stack_runtime.errors import UnreachableError
    from stack_runtime.paths import project_dir

    terminal = ["-it"] if sys.stdin.isatty() and sys.stdout.isatty() else ["-i"]
    with endpoint(project_dir(), stack) as where:
        container = running(connect(where), stack, service)
        docker = ["docker", *where.options(), "exec", *terminal, str(container.id)]
        try:
            code = subprocess.run([*docker, *words]).returncode
        except FileNotFoundError:
            raise UnreachableError(
                "the program docker is missing", next_command="install docker-cli (before Debian 13: docker.io)"
            ) from None
    raise SystemExit(code)

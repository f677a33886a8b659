"""`fds exec`: run a command inside a service."""

from __future__ import annotations

import subprocess
import sys
from typing import Annotated

import typer

from fds.output import Debug, Stack


def command(
    service: Annotated[str, typer.Argument(help="Name of the service, as in fds status.")],
    words: Annotated[list[str], typer.Argument(help="The command and its arguments, after --.")],
    stack: Stack = "dev",
    debug: Debug = False,
) -> None:
    """Run a command in a running service, for example: fds exec postgres -- psql -U postgres."""
    from stack_runtime.docker_host import local_docker, running

    container = running(local_docker(), stack, service)
    terminal = ["-it"] if sys.stdin.isatty() and sys.stdout.isatty() else ["-i"]
    raise SystemExit(subprocess.run(["docker", "exec", *terminal, str(container.id), *words]).returncode)

"""`fds down`: remove the stack."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from fds._take_over import TakeOver, confirmed
from fds.output import AsJson, Stack, answer, say

Volumes = Annotated[bool, typer.Option("--volumes", help="Remove the data as well.")]
Confirm = Annotated[str, typer.Option("--confirm", help="Name of the stack, to confirm that a server is removed.")]


def command(
    stack: Stack = "dev",
    volumes: Volumes = False,
    confirm: Confirm = "",
    take_over: TakeOver = "",
    as_json: AsJson = False,
) -> None:
    """Remove every container, network and server of the stack; with --volumes, also remove the data volumes."""
    from infra.engine.progress import Progress
    from infra.engine.stack_operations import StackOperations
    from infra.hosts import host_of
    from infra.operations.destroy import remove
    from stack_runtime.paths import project_dir

    deployment = StackOperations(project_dir(), stack, Progress(None if as_json else say))
    if what := host_of(deployment.settings).loses(deployment.settings, volumes=volumes):
        _ask(stack, what, volumes, confirm)
    removed = confirmed(
        lambda typed: remove(deployment, volumes=volumes, say=say, take_over=typed),
        take_over,
        "This removes them" + ("" if volumes else ", without their data"),
        f"fds down --stack {stack}{' --volumes' if volumes else ''}",
    )
    if as_json:
        answer({"stack": stack, "resources": removed.resources, "volumes_removed": removed.volumes})
    else:
        kept = "" if volumes else f"; the data is kept, fds down --stack {stack} --volumes removes it"
        say(f"{stack}: {removed.resources} resources and {len(removed.volumes)} data volumes removed{kept}")


def _ask(stack: str, what: str, volumes: bool, confirm: str) -> None:
    """Refuse to delete `what` unless the stack's name is given, by `confirm` or, if `confirm` is empty, by a person."""
    from stack_runtime.errors import UsageError

    way = f"fds down --stack {stack}{' --volumes' if volumes else ''} --confirm {stack}"
    if not confirm and not sys.stdin.isatty():
        raise UsageError(f"this deletes {what}, and there is no terminal to ask at", next_command=way)
    typed = confirm or typer.prompt(f"This deletes {what}. Type the name of the stack to go on", err=True)
    if typed != stack:
        raise UsageError("not confirmed, so nothing was removed", next_command=way)

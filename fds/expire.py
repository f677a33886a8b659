"""`fds expire`: revert temporary changes that have ended."""

from __future__ import annotations

import getpass
from typing import Annotated

import typer

from fds.output import AsJson, answer, say

Only = Annotated[
    str | None, typer.Option("--stack", "-s", help="Revert changes of this stack; default: all of the project.")
]
Install = Annotated[bool, typer.Option("--install", help="Set up a systemd timer that runs this every 15 minutes.")]


def command(stack: Only = None, install: Install = False, as_json: AsJson = False) -> None:
    """Revert every temporary change that has ended; --install sets up a timer for it."""
    from agents.changes.expiry import install_timer
    from agents.factory import create_change_service
    from infra import stack_file
    from stack_runtime.errors import UsageError
    from stack_runtime.paths import project_dir

    project = project_dir()
    if install and stack:
        raise UsageError("the timer works for all stacks", next_command="fds expire --install")
    if install:
        lines = install_timer(project)
        for line in lines:
            say(line)
        if as_json:
            answer({"installed": lines})
        return
    if stack:
        stack_file.read(project, stack)
    outcomes = create_change_service(project, None if as_json else say, only=stack).expire(getpass.getuser())
    if as_json:
        answer([vars(outcome) for outcome in outcomes])
    elif not outcomes:
        say("nothing is due")
    for outcome in [] if as_json else outcomes:
        print(f"{outcome.stack}: {outcome.proposal} {outcome.status}" + "".join(f"; {p}" for p in outcome.problems))
    if code := max((outcome.exit_code for outcome in outcomes), default=0):
        raise typer.Exit(code)

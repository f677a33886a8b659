"""Take over or remove resources of another stack with the same name, after the user named their owner."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated, TypeVar

import typer

from fds.output import say

TakeOver = Annotated[
    str,
    typer.Option(
        "--take-over",
        help="Take over resources of this owner, whose stack has the same name; the error prints the owner.",
    ),
]

Result = TypeVar("Result")


def confirmed(work: Callable[[str], Result], take_over: str, consequence: str, command: str) -> Result:
    """Call `work` with the owner `take_over`; if that is empty and `work` refuses, ask for the owner and call it again.

    Args:
        work: function whose argument is the owner of the resources; the argument is empty if no owner was named.
        consequence: what happens to the resources; the question begins with this text.
        command: the command to repeat with the option `--take-over`; the error message names it.

    Raises:
        ForeignError: `take_over` names a wrong owner; or it is empty, and the person did not type the owner or there
            is no terminal.
    """
    from infra.ownership import ForeignError

    try:
        return work(take_over)
    except ForeignError as error:
        error.next_command = f"use another name with --stack, or {command} --take-over {error.confirmation}"
        if take_over or not sys.stdin.isatty():
            raise
        say(error.what)
        typed = typer.prompt(f"{consequence}. Type {error.confirmation} to go on", default="", err=True)
        if typed != error.confirmation:
            raise
    return work(typed)

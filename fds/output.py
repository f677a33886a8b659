"""Define common options of the verbs, print results and messages, and ask questions."""

from __future__ import annotations

import getpass
import json
import sys
from typing import Annotated, Any

import typer

from stack_runtime.errors import UsageError

Stack = Annotated[str, typer.Option("--stack", "-s", help="The stack: dev, prod, or one of your own.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
AcceptHostKey = Annotated[
    str,
    typer.Option(
        "--accept-host-key",
        metavar="SHA256:…",
        help="Accept this host key of your own server without a question.",
    ),
]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of a failure.")]


def say(line: str) -> None:
    """Print a line for a person to stderr, because stdout is for the result.

    The line may quote a server, a file or an API, so control characters are replaced.
    """
    print("".join(c if c.isprintable() or c in "\n\t\xa0" else "\ufffd" for c in line), file=sys.stderr, flush=True)


def answer(document: Any) -> None:
    """Print a result as JSON for a program."""
    print(json.dumps(document, indent=2, default=str))


def ask(question: str, *, hidden: bool = False) -> str:
    """Print a question to stderr, because stdout is for the result, and return the typed answer.

    Args:
        hidden: whether to hide the typed characters.
    """
    try:
        if hidden:
            return getpass.getpass(f"{question}: ").strip()
        print(f"{question}: ", end="", file=sys.stderr, flush=True)
        return input().strip()
    except EOFError:
        raise UsageError("no answer was given", next_command="the same command again") from None

"""What all verbs share: their common options, and where lines for people go."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import typer

Stack = Annotated[str, typer.Option("--stack", "-s", help="The stack: dev, prod, or one of your own.")]
AsJson = Annotated[bool, typer.Option("--json", help="Answer with JSON, for programs.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of a failure.")]


def say(line: str) -> None:
    """A line of progress for a person: on stderr, so that stdout holds the answer alone."""
    print(line, file=sys.stderr, flush=True)


def answer(document: Any) -> None:
    """An answer for a program."""
    print(json.dumps(document, indent=2, default=str))

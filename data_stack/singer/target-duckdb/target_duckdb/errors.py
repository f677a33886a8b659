"""The one error a user may see."""

from __future__ import annotations

import re

import click


class TargetError(click.ClickException):
    """The run cannot go on: one sentence on standard error, exit code 1, no traceback."""


def of_duckdb(error: Exception, doing: str) -> TargetError:
    """Say what DuckDB could not do, in its first sentence."""
    text = str(error)
    if re.search(r"no space left|not enough disk space|disk (is )?full", text, re.IGNORECASE):
        return TargetError(f"no space left on the disk while {doing}; free some space, then run again")
    return TargetError(f"{doing} failed: {text.splitlines()[0]}")

"""Define the error that is shown to users."""

from __future__ import annotations

import re

import click


class TargetError(click.ClickException):
    """An error that ends the run: one sentence on standard error and exit code 1, without a traceback."""


def of_duckdb(error: Exception, doing: str) -> TargetError:
    """Return the error to show for a DuckDB error: the first line of its message or, for a full disk, advice.

    Args:
        doing: what failed, such as `opening FILE`.
    """
    text = str(error)
    if re.search(r"no space left|not enough disk space|disk (is )?full", text, re.IGNORECASE):
        return TargetError(f"no space left on the disk while {doing}; free some space, then run again")
    return TargetError(f"{doing} failed: {text.splitlines()[0]}")

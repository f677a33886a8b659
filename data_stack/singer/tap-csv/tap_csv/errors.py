"""The errors a user may see: each is one sentence on standard error, exit code 1, no traceback."""

from __future__ import annotations

import errno
from pathlib import Path

import click


class TapError(click.ClickException):
    """The run cannot go on."""


class FileRefusedError(TapError):
    """One file cannot be loaded; the others can."""


def of_os(error: OSError, path: Path) -> TapError:
    """Say what the operating system did not allow. A full disk ends the run, anything else is about this file."""
    if error.errno == errno.ENOSPC:
        return TapError(f"no space left on the disk while writing {path}; free some space, then run again")
    return FileRefusedError(f"{path} cannot be read or written: {error.strerror or error}")


def of_duckdb(error: Exception, path: Path) -> TapError:
    """Say what DuckDB could not do, in its first sentence."""
    text = str(error)
    if "No space left" in text or "not enough disk space" in text.lower():
        return TapError(f"no space left on the disk while {path} was read; free some space, then run again")
    return FileRefusedError(f"{path} cannot be read: {text.splitlines()[0]}")

"""Define the errors that users see as one sentence, without a traceback."""

from __future__ import annotations

import errno
from pathlib import Path

import click


class TapError(click.ClickException):
    """An error that ends the run with exit code 1, unless it is a `FileRefusedError`."""


class FileRefusedError(TapError):
    """An error that refuses one file; the other files are still loaded."""


def of_os(error: OSError, path: Path) -> TapError:
    """Return the error for an `OSError` on `path`: a full disk ends the run, anything else refuses the file."""
    if error.errno == errno.ENOSPC:
        return TapError(f"no space left on the disk while writing {path}; free some space, then run again")
    return FileRefusedError(f"{path} cannot be read or written: {error.strerror or error}")


def of_duckdb(error: Exception, path: Path) -> TapError:
    """Convert a DuckDB error on `path`: a full disk ends the run, any other error refuses the file."""
    text = str(error)
    if "No space left" in text or "not enough disk space" in text.lower():
        return TapError(f"no space left on the disk while {path} was read; free some space, then run again")
    return FileRefusedError(f"{path} cannot be read: {text.splitlines()[0]}")

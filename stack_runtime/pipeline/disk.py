"""Recognize errors of a full disk, and flush files to disk so that they survive a loss of power."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

from stack_runtime.errors import UnreachableError

_SIGNS = (
    "no space left on",
    "disk is full",
    "could not write all bytes",
    "not enough disk space",
    "disk quota exceeded",
)


def is_full(error: object) -> bool:
    """Return whether an error or an error message means that a disk is full."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    text = str(error).lower()
    return any(sign in text for sign in _SIGNS)


def no_space(folder: Path) -> UnreachableError:
    """Return the error that tells the user that the disk of `folder` is full, and how much space is free."""
    free = shutil.disk_usage(folder).free / 1e6
    return UnreachableError(
        f"the disk is full, {free:.0f} MB are free; nothing was published",
        where=str(folder),
        next_command="free some space, then run the same command again",
    )


def copy_durably(source: Path, target: Path) -> None:
    """Copy a file and flush the copy to disk."""
    with source.open("rb") as reading, target.open("wb") as writing:
        shutil.copyfileobj(reading, writing, 1 << 20)
        writing.flush()
        os.fsync(writing.fileno())


def replace_durably(source: Path, target: Path) -> None:
    """Replace `target` with `source` atomically and flush the rename to disk."""
    os.replace(source, target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)

"""List the files of the landing folder, and give a reason for each one that cannot be loaded."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path

UPLOADS = "uploads"
"""Subfolder of the landing folder for files of `fds run --csv`; no entity reads it."""
NOT_UTF8 = "its name is not valid UTF-8; rename it"

Refusal = tuple[Path, str]
"""Path of a file or folder, and the reason why it is not loaded."""


def landed_files(landing: Path) -> tuple[list[Path], list[Refusal]]:
    """Return the files in the landing folder and its subfolders, without hidden ones and uploads, sorted by path.

    Returns: the files that can be loaded, and what cannot: files, folders that cannot be read, and links to folders.
    """
    refused: list[Refusal] = []

    def refuse_folder(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            refused.append((printable(Path(error.filename)), f"the folder cannot be read: {error.strerror}"))

    found: list[Path] = []
    for name, folders, files in os.walk(landing, onerror=refuse_folder):
        folders[:] = [one for one in folders if one[0] != "." and (one != UPLOADS or Path(name) != landing)]
        links = [Path(name, one) for one in folders if os.path.islink(os.path.join(name, one))]  # noqa: PTH114, PTH118
        refused += [(printable(link), "it is a link to a folder; copy the folder itself") for link in links]
        found += [Path(name, one) for one in files if one[0] != "."]
    loadable, others = partition(sorted(found))
    return loadable, sorted([*refused, *others])


def partition(files: Iterable[Path]) -> tuple[list[Path], list[Refusal]]:
    """Separate the files that can be loaded from the others, and add to each of the others the reason."""
    loadable: list[Path] = []
    refused: list[Refusal] = []
    for file in files:
        reason = _reason(file)
        if reason:
            refused.append((printable(file), reason))
        else:
            loadable.append(file)
    return loadable, refused


def printable(path: Path) -> Path:
    """Return the path with an escape such as `\\xe4` for each byte that is not valid UTF-8."""
    return Path(os.fsencode(path).decode(errors="backslashreplace"))


def _reason(file: Path) -> str | None:
    """Return why a file cannot be loaded; None if nothing is known before it is read."""
    if printable(file) != file:
        return NOT_UTF8
    try:
        if stat.S_ISREG(file.stat().st_mode):
            return None
    except FileNotFoundError:
        pass
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    return "it is not a file, or a link to a file that does not exist"

"""Read and write the lock file `images.lock.yaml`: the digests of the images that the stacks of a project pull."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from stack_runtime.errors import StackError, UsageError
from stack_runtime.files import write_atomically

FILE = "images.lock.yaml"
_HEAD = """\
# The images that all stacks of this project run, written by `fds up`. Commit this file.
# To take the newest image of a tag, remove its line and run `fds up`.
"""
_ENTRY = re.compile(
    r"(?P<image>[a-z0-9]+([._-][a-z0-9]+)*(:[0-9]+(?=/))?(/[a-z0-9]+([._-][a-z0-9]+)*)*:\w[\w.-]{0,127})"
    r": (?P<digest>sha256:[0-9a-f]{64})",
    re.ASCII,
)


def read(project: Path) -> dict[str, str]:
    """Return the locked images: the digest (`sha256:` and 64 hexadecimal digits) by `name:tag`.

    The format is a small part of YAML, checked line by line: anything else, such as a YAML tag or alias, is refused.

    Returns: an empty mapping if there is no lock file.

    Raises:
        UsageError: the file cannot be read, a line is neither an entry nor a comment, or an image is locked twice.
    """
    try:
        lines = (project / FILE).read_text(encoding="utf-8").split("\n")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        _refuse(f"the file cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8'}")
    lock: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        entry = _ENTRY.fullmatch(line.rstrip())
        if not entry:
            _refuse(f"line {number} is not an image and its digest, such as postgres:15: sha256:{'0' * 8}…, 64 digits")
        if entry["image"] in lock:
            _refuse(f"line {number} locks {entry['image']} again")
        lock[entry["image"]] = entry["digest"]
    return lock


def pinned(reference: str, lock: Mapping[str, str]) -> str:
    """Return the name by which an image is pulled: `name:tag@digest` if it is locked, else `name:tag`."""
    return f"{reference}@{lock[reference]}" if reference in lock else reference


def unpinned(name: str) -> str:
    """Return the name of an image without its digest."""
    return name.partition("@")[0]


def write(project: Path, lock: Mapping[str, str]) -> None:
    """Replace the lock file atomically.

    Raises:
        StackError: the file cannot be written.
    """
    lines = (f"{reference}: {digest}\n" for reference, digest in sorted(lock.items()))
    try:
        write_atomically(project / FILE, _HEAD + "".join(lines))
    except OSError as error:
        raise StackError(
            f"the file cannot be written: {error.strerror}", where=FILE, next_command="correct its folder, then fds up"
        ) from None


def unlock_command(reference: str) -> str:
    """Return the next command for an image whose locked digest is not available."""
    return f"remove the line of {reference} from {FILE}, then fds up"


def _refuse(what: str) -> NoReturn:
    raise UsageError(what, where=FILE, next_command=f"correct {FILE}, or remove it, then fds up")

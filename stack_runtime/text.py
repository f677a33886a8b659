"""Make untrusted text safe to display: it may be hostile, and a person may base a decision on what is displayed."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping

Say = Callable[[str], None]
"""Function that shows one line of text to a person."""

_INVISIBLE = frozenset((0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0, 0x16FE4, 0x1D159)).union(
    range(0x180B, 0x1810), range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0)
)
"""Characters that Python calls printable but that are invisible: fillers, blank patterns, variation selectors."""


def printable(text: str) -> str:
    """Return `text` on one line, without control and invisible characters."""
    return "".join(c for c in " ".join(text.split()) if c.isprintable() and ord(c) not in _INVISIBLE)


def shortened(text: object, limit: int = 200) -> str:
    """Return the first `limit` printable characters of `text` on one line, for errors that quote foreign text."""
    return printable(str(text))[:limit]


def last_line(text: str, otherwise: str, limit: int = 300) -> str:
    """Return the last non-empty line of a program's output, shortened to `limit` characters.

    Args:
        otherwise: what to return if all lines are empty.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    return shortened(lines[-1], limit) if lines else otherwise


def log_line(entry: object) -> str:
    """Return an entry of an Airflow log as text: for a structured entry, its time, level, event and exceptions.

    A task may log anything, so an entry of another form is only converted to text.
    """
    if not isinstance(entry, Mapping):
        return str(entry)
    words = [str(entry[key]) for key in ("timestamp", "level", "event") if entry.get(key)]
    details = entry.get("error_detail")
    errors = [one for one in details if isinstance(one, Mapping)] if isinstance(details, list) else []
    return " ".join([*words, *(f"{error.get('exc_type')}: {error.get('exc_value')}" for error in errors)])


def require_visible(text: str) -> str:
    """Return `text` unchanged if it has a visible character.

    Raises:
        ValueError: `text` has no visible character.
    """
    if not any(unicodedata.category(c)[0] in "LNPS" for c in printable(text)):
        raise ValueError("the text has no visible character")
    return text

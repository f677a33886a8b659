"""Small pieces of SQL, quoted as they must be."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def csv_relation(
    path: Path, names: Sequence[str], delimiter: str, quote: str, *, header: bool, crlf: bool = False,
    longest: int | None = None, whole: bool = False,
) -> str:  # fmt: skip
    """A table function that reads a file as text, nothing sniffed, nothing forgiven; an empty field is NULL.

    `longest` is the longest line in bytes where that is more than DuckDB's buffers expect. A file that is read `whole`
    is not cut up for several threads.
    """
    columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in names)
    # DuckDB 1.5.5 finds no row at all where new_line is CR LF in strict mode, and the right ones without it
    end = "" if crlf else "new_line = '\\n', "
    long = f", max_line_size = {longest + 1024}, buffer_size = {2 * longest + 4096}" if longest else ""
    # DuckDB would take the characters of a path for a glob, but not those inside brackets
    file = "".join(f"[{c}]" if c in "*?[" else c for c in str(path))
    return (
        f"read_csv({literal(file)}, columns = {{{columns}}}, auto_detect = false, header = {str(header).lower()}, "
        f"delim = {literal(delimiter)}, quote = {literal(quote)}, escape = {literal(quote)}, strict_mode = true, "
        f"compression = 'none', {end}"
        f"parallel = {str(not whole).lower()}{long})"
    )

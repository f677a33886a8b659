"""Build small, correctly quoted pieces of SQL."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

INVISIBLE = "[\\x{00AD}\\x{200B}-\\x{200F}\\x{202A}-\\x{202E}\\x{2060}\\x{FEFF}]"
"""Regular expression of invisible characters, such as marks of the direction of text."""


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def csv_relation(
    path: Path, names: Sequence[str], delimiter: str, quote: str, *, header: bool, crlf: bool = False,
    longest: int | None = None, whole: bool = False,
) -> str:  # fmt: skip
    """Return a strict call of `read_csv` that detects nothing and reads all fields as text; empty fields are NULL.

    Args:
        longest: longest line in bytes, if DuckDB's default buffers are too small for it.
        whole: read the file with one thread.
    """
    columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in names)
    # Leave out new_line if the lines end in CR LF: in strict mode, DuckDB 1.5.5 finds no rows with new_line = '\r\n',
    # but it reads such files correctly without the option.
    end = "" if crlf else "new_line = '\\n', "
    long = f", max_line_size = {longest + 1024}, buffer_size = {2 * longest + 4096}" if longest else ""
    return (
        f"read_csv({_file(path)}, columns = {{{columns}}}, auto_detect = false, header = {str(header).lower()}, "
        f"delim = {literal(delimiter)}, quote = {literal(quote)}, escape = {literal(quote)}, strict_mode = true, "
        f"compression = 'none', {end}"
        f"parallel = {str(not whole).lower()}{long}, hive_partitioning = false)"
    )


def parquet_relation(path: Path) -> str:
    """Return a call of `read_parquet` that returns only the columns in the file."""
    return f"read_parquet({_file(path)}, hive_partitioning = false)"


def _file(path: Path) -> str:
    """Return a path as a literal, with brackets around each character that has a meaning in a glob.

    A relation needs `hive_partitioning = false` too, because DuckDB otherwise reads a folder `NAME=VALUE` in the path
    as a column.
    """
    return literal("".join(f"[{c}]" if c in "*?[" else c for c in str(path)))

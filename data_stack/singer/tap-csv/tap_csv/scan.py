"""Reads a file once to know its records and types, then once more to write them as Parquet.

DuckDB reads the file itself where it provably sees the same records as Python's csv reader: its strict mode
reports no error, and every byte of the file is accounted for by a value, a delimiter, a quote or a line end (DuckDB
forgives blanks around quotes, empty fields too many and blank lines: each leaves bytes over). Any other file goes
through the careful reader first.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb

from tap_csv.clean import clean, record_at
from tap_csv.errors import TapError
from tap_csv.files import Bytes, Text, measure
from tap_csv.infer import inferred
from tap_csv.quarantine import Quarantine
from tap_csv.settings import Dialect, Entity
from tap_csv.sql import csv_relation, identifier, literal
from tap_csv.types import ColumnType, has_form

_LONG_LINE = 2_000_000
"""Bytes; DuckDB sets its buffers by the longest line, so a longer one is read with settings of its own."""


@dataclass(frozen=True)
class Scanned:
    """A file whose every record is known: `relation` has the good ones as text, in columns c0, c1…"""

    text: Text
    relation: str
    columns: Mapping[str, ColumnType]
    good: int
    bad: int


def scan(
    con: duckdb.DuckDBPyConnection, text: Text, entity: Entity, dialect: Dialect, folder: Path, quarantine: Quarantine
) -> Scanned:
    """Find the records, the bad ones and the types of a file.

    Raises:
        TapError: the file as a whole cannot be read.
    """
    return _direct(con, text, entity) or _careful(con, text, entity, dialect, folder, quarantine)


def write_parquet(
    con: duckdb.DuckDBPyConnection, scanned: Scanned, columns: Mapping[str, ColumnType], path: Path,
    compression: str, where: str = "true",
) -> int:  # fmt: skip
    """Write the good records in the given types. Columns that the file lacks are NULL.

    Returns: how many were written.
    """
    positions = {name: f"c{index}" for index, name in enumerate(scanned.text.header)}
    typed = ", ".join(
        f"{kind.cast(positions.get(name, 'NULL'))} AS {identifier(name)}" for name, kind in columns.items()
    )
    options = f"FORMAT parquet, COMPRESSION {compression}"
    query = f"SELECT * FROM (SELECT {typed} FROM {scanned.relation}) WHERE {where}"
    row = con.execute(f"COPY ({query}) TO {literal(str(path))} ({options})").fetchone()
    written = int(row[0]) if row else 0
    if where == "true" and written != scanned.good:
        raise TapError(f"{scanned.text.original} changed while it was read; run again")
    return written


def _direct(con: duckdb.DuckDBPyConnection, text: Text, entity: Entity) -> Scanned | None:
    """Read by DuckDB alone; None where that is not safe."""
    size = measure(text)
    width = len(text.header)
    crlf = size.returns > 0
    # With one column a blank line could be a record; a header over two lines is for the careful reader.
    if width < 2 or text.header_lines != 1 or size.nulls or (crlf and not size.returns == size.crlf == size.feeds):
        return None
    if not size.total:
        return _without_rows(text, entity, 0)
    names = [f"c{index}" for index in range(width)]
    checks = {
        "rows": "count(*)",
        "bytes": _counted(names, text.quote if size.quotes else ""),
        "bad": f"count(*) FILTER (NOT {_good(text, entity)})",
    }
    # Several threads can lose their way among quoted line ends; then one reads all.
    for whole in (False, True) if size.quotes else (False,):
        relation = csv_relation(text.path, names, text.delimiter, text.quote, header=True, crlf=crlf, whole=whole)
        try:
            columns, found = inferred(con, relation, text.header, entity.columns, checks)
        except duckdb.Error:
            continue  # the careful reader finds out which record it is
        if found["bytes"] == _expected(size, found["rows"], width):
            return None if found["bad"] else Scanned(text, relation, columns, found["rows"], 0)
    return None


def _careful(
    con: duckdb.DuckDBPyConnection, text: Text, entity: Entity, dialect: Dialect, folder: Path, quarantine: Quarantine
) -> Scanned:
    before = quarantine.count
    cleaned = clean(text, dialect, Path(tempfile.mkstemp(".csv", dir=folder)[1]), quarantine)
    good = cleaned.written
    names = ["line", "begins", *(f"c{index}" for index in range(len(text.header)))]
    longest = cleaned.longest if cleaned.longest > _LONG_LINE else None
    relation = csv_relation(
        cleaned.path, names, text.delimiter, text.quote, header=False, longest=longest, whole=cleaned.broken
    )
    if good:
        reasons = f"SELECT line, begins, {_reason(text, entity)} FROM {relation} WHERE NOT {_good(text, entity)}"
        for line, offset, reason in con.execute(reasons).fetchall():
            quarantine.add(text.original, int(line), reason, record_at(text, dialect, int(offset)))
            good -= 1
    if not good:
        return _without_rows(text, entity, quarantine.count - before)
    relation = f"(SELECT * FROM {relation} WHERE {_good(text, entity)})"
    columns, found = inferred(con, relation, text.header, entity.columns, {"rows": "count(*)"})
    if found["rows"] != good:
        raise TapError(f"{text.original}: {good} good records were written, {found['rows']} read back; report this")
    return Scanned(text, relation, columns, good, quarantine.count - before)


def _without_rows(text: Text, entity: Entity, bad: int) -> Scanned:
    return Scanned(text, "", dict.fromkeys(text.header, ColumnType("empty")) | dict(entity.columns), 0, bad)


def _counted(names: list[str], quote: str) -> str:
    """SQL: the bytes of all values; quotes inside them are left out, as they are of the file."""
    text = [f"sum(strlen({name}))" for name in names]
    if quote:
        one = literal(quote)
        text += [
            f"-sum(CASE WHEN contains({n}, {one}) THEN strlen({n}) - strlen(replace({n}, {one}, '')) END)"
            for n in names
        ]
    return " + ".join(f"coalesce({part}, 0)" for part in text)


def _expected(size: Bytes, rows: int, width: int) -> int:
    """The bytes of all values, as the size of the file and the number of records have it."""
    end = 2 if size.returns else 1
    ends = rows * end - (0 if size.ends_with_newline else end)
    return size.total - size.quotes - rows * (width - 1) - ends


def _conditions(text: Text, entity: Entity) -> dict[str, str]:
    """SQL conditions on a good record, by the reason that their failure is."""
    column = {name: f"c{index}" for index, name in enumerate(text.header)}
    keys = {f"key {name} is empty": f"(coalesce(trim({column[name]}), '') <> '')" for name in entity.keys}
    types = {f"column {name} is no {kind.kind}": kind.satisfied(column[name]) for name, kind in entity.columns.items()}
    forms = {f"column {name} is no {form}": has_form(form, column[name]) for name, form in entity.forms.items()}
    return keys | types | forms


def _good(text: Text, entity: Entity) -> str:
    return f"({' AND '.join(_conditions(text, entity).values()) or 'true'})"


def _reason(text: Text, entity: Entity) -> str:
    cases = " ".join(f"WHEN NOT {sql} THEN {literal(why)}" for why, sql in _conditions(text, entity).items())
    return f"CASE {cases} END" if cases else "''"

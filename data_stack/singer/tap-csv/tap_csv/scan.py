"""Read a file once to check its records and values, and once more to write them as Parquet.

DuckDB reads the file directly if it provably sees the same records as Python's csv reader: its strict mode reports no
error, and values, delimiters, quotes and line ends add up to the size of the file. (DuckDB accepts blanks around
quotes, extra empty fields and blank lines; each of them makes the sum differ.) All other files, and files with rows to
ignore or to quarantine, are first split into records by `clean`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from tap_csv.clean import Cleaned, clean, record_at
from tap_csv.errors import FileRefusedError, TapError
from tap_csv.files import Bytes, Text
from tap_csv.footer import ends_without_day, footer
from tap_csv.quarantine import First, Quarantine
from tap_csv.rows import RowRules, row_rules
from tap_csv.settings import Entity
from tap_csv.sql import csv_relation, identifier, literal
from tap_csv.strays import may_join_rows, row_shape
from tap_csv.types import STRING, ColumnType
from tap_csv.values import Reader, Values

FEW = 20
"""A file with at most this number of bad lines is refused only if no row is good; a person can check so few lines."""
MOST_BAD = 0.2
"""Share of bad lines above which a file is refused if it also has more than `FEW` bad lines."""

_LONG_LINE = 2_000_000
"""Longest line in bytes that DuckDB reads by default; for longer ones, it gets buffers that can hold a whole line."""
MANY_COLUMNS = 300
"""A file with more columns is read by one thread and written in small batches, to limit memory."""
_BATCH = 2048
_DICTIONARY = 5000
"""Number of distinct values in a row group above which a column is written without a dictionary. DuckDB's default of
24,576 costs much time for ids, whose dictionary is filled and then dropped."""


@dataclass(frozen=True)
class Scanned:
    """A checked file with its number of good, bad and ignored records; `values` reads the good records."""

    text: Text
    values: Values
    good: int
    bad: int
    ignored: int


def scan(
    con: duckdb.DuckDBPyConnection, text: Text, size: Bytes, entity: Entity, folder: Path, quarantine: Quarantine
) -> Scanned:
    """Find the good and bad records of a file, and how to read its values.

    Args:
        size: the byte counts of `text`.

    Raises:
        FileRefusedError: too many rows of the file are bad, it is not in its declared encoding, or it has a second
            header with another order of columns.
    """
    return _direct(con, text, size, entity) or _careful(con, text, entity, folder, quarantine)


def write_parquet(
    con: duckdb.DuckDBPyConnection, scanned: Scanned, entity: Entity, columns: Mapping[str, ColumnType], path: Path,
    compression: str, where: str = "true",
) -> int:  # fmt: skip
    """Write the good records that meet `where`, with the given types; columns that the file lacks are NULL.

    Returns: the number of written records.
    """
    chosen = f"SELECT * FROM ({typed_query(scanned, entity, columns)}) WHERE {where}"
    if len(columns) > MANY_COLUMNS:
        written = _write_by_arrow(con, chosen, path, compression)
    else:
        options = f"FORMAT parquet, COMPRESSION {compression}, DICTIONARY_SIZE_LIMIT {_DICTIONARY}"
        row = con.execute(f"COPY ({chosen}) TO {literal(str(path))} ({options})").fetchone()
        written = int(row[0]) if row else 0
    if where == "true" and written != scanned.good:
        raise TapError(f"{scanned.text.original} changed while it was read; run again")
    return written


def typed_query(scanned: Scanned, entity: Entity, columns: Mapping[str, ColumnType]) -> str:
    """Return a query for the good records with the given types; columns that the file lacks are NULL."""
    found = scanned.values
    given = {name.lower(): sql for name, sql in found.columns.items()}  # names in `columns` may differ in case
    typed = ", ".join(
        f"CAST({given.get(name.lower(), 'NULL')} AS {kind.sql}) AS {identifier(name)}" for name, kind in columns.items()
    )
    query = f"SELECT {typed} FROM {found.relation}"
    if entity.generated_key in columns:
        key = identifier(entity.generated_key or "")
        number = f"{key} || '-' || row_number() OVER (PARTITION BY {key})"
        query = f"SELECT * REPLACE ({number} AS {key}) FROM ({query})"
    return query


def _write_by_arrow(con: duckdb.DuckDBPyConnection, query: str, path: Path, compression: str) -> int:
    """Write in small batches, because DuckDB's own writer needs half a megabyte of memory per column."""
    batches, written = con.execute(query).fetch_record_batch(_BATCH), 0
    codec = compression.replace("uncompressed", "none")
    with pq.ParquetWriter(path, batches.schema, compression=codec) as writer:
        for batch in batches:
            writer.write_batch(batch)
            written += batch.num_rows
    return written


def _direct(con: duckdb.DuckDBPyConnection, text: Text, size: Bytes, entity: Entity) -> Scanned | None:
    """Let DuckDB read the file directly; return None if only `clean` can read it, or if a row is bad or ignored."""
    width, crlf = len(text.columns), size.returns > 0
    # Return None for a file that only `clean` can read: one with a single column, where a blank line may be a record,
    # or with a header of several lines, NUL bytes or mixed line ends.
    if width < 2 or text.header_lines != 1 or size.has_nulls or (crlf and not size.returns == size.crlf == size.feeds):
        return None
    if not size.total:
        return _without_rows(con, text, entity, 0, 0)
    if ends_without_day(text, entity) or entity.max_record_bytes < _LONG_LINE:  # only `clean` checks a lower limit
        return None
    # With several threads, DuckDB can misread line ends in quotes. So it reads a file with quotes again with one thread
    # if the first reading fails or its bytes do not add up.
    for whole in (False, True) if size.quotes else (False,):
        names = [f"c{index}" for index in range(width)]
        relation = csv_relation(text.path, names, text.delimiter, text.quote, header=True, crlf=crlf, whole=whole)
        try:
            return _read_directly(con, relation, text, entity, size)
        except _OtherRecordsError:
            continue
        except duckdb.Error:
            continue  # if no reading succeeds, `clean` finds the bad record
    return None


class _OtherRecordsError(Exception):
    """DuckDB does not find the same records as Python's csv reader."""


def _read_directly(
    con: duckdb.DuckDBPyConnection, relation: str, text: Text, entity: Entity, size: Bytes
) -> Scanned | None:
    names = [f"c{index}" for index in range(len(text.columns))]
    rules = row_rules(text, entity, None)
    reader = Reader(con, relation, text, entity, rules)
    values, plain = reader.plainest()
    sound = f"NOT {rules.ignored} AND {rules.sound}"
    # Count the bytes in `relation`, because they are compared with the size of the file. In `values.relation`, the null
    # words are already NULL, so their bytes would be missing.
    is_plain = plain if values.relation == relation else "false"
    checked = f"(SELECT *, NOT ({is_plain}) AS other FROM {relation})"
    quotes = _quotes(names, text.quote, reader.typed_fields) if size.quotes else "0"
    rows, counted, quoted, unsound, other = _counts(
        con, checked, "count(*)", _bytes(names), quotes, f"count(*) FILTER (NOT ({sound}))", "count(*) FILTER (other)"
    )
    if counted - quoted != _expected(size, rows, len(names)):
        raise _OtherRecordsError
    has_long_values = size.quotes and size.feeds + (not size.ends_with_newline) > rows
    if unsound or (
        has_long_values and _counts(con, relation, f"count(*) FILTER ({may_join_rows(row_shape(text, entity))})")[0]
    ):
        return None
    if other:
        values = reader.studied()
        if _counts(con, values.relation, f"count(*) FILTER (NOT ({values.readable}))")[0]:
            return None
    return Scanned(text, values, rows, 0, 0)


def _careful(
    con: duckdb.DuckDBPyConnection, text: Text, entity: Entity, folder: Path, quarantine: Quarantine
) -> Scanned:
    cleaned = clean(text, entity, Path(tempfile.mkstemp(".csv", dir=folder)[1]), quarantine)
    if not cleaned.written:
        _check_limits(text, 0, quarantine.count, quarantine.lines, quarantine.first)
        return _without_rows(con, text, entity, quarantine.count, cleaned.blank)
    relation = cleaned_relation(text, cleaned)
    rules = row_rules(text, entity, footer(con, relation, text, entity))
    values = Reader(con, relation, text, entity, rules).studied()
    sound = f"{rules.sound} AND {values.readable}"
    rows, ignored, bad, reordered = _counts(
        con, values.relation, "count(*)", f"count(*) FILTER ({rules.ignored})",
        f"count(*) FILTER (NOT {rules.ignored} AND NOT ({sound}))", f"min(line) FILTER ({rules.reordered})",
    )  # fmt: skip
    if reordered:
        raise FileRefusedError(
            f"{text.original} has a second header with another order of columns in line {reordered}; split the file "
            "there"
        )
    if rows != cleaned.written:
        raise TapError(f"{text.original}: {cleaned.written} records were written, {rows} read back; report this")
    good = rows - ignored - bad
    reasons = _Reasons(con, values, rules, sound)
    _check_limits(text, good, quarantine.count + bad, quarantine.lines + bad, reasons.first(quarantine.first, bad))
    for line, offset, reason in reasons.all() if bad else ():
        quarantine.add(text.original, record_at(text, entity, offset, line), reason)
    if not good:
        return _without_rows(con, text, entity, quarantine.count, ignored + cleaned.blank)
    chosen = f"(SELECT * FROM {values.relation} WHERE NOT {rules.ignored} AND {sound})"
    kept = Values(chosen, values.columns, values.types)
    return Scanned(text, kept, good, quarantine.count, ignored + cleaned.blank)


def cleaned_relation(text: Text, cleaned: Cleaned) -> str:
    """Return SQL for the records of a cleaned file: `line`, `begins` (byte offset), and its fields c0, c1…"""
    names = ["line", "begins", *(f"c{index}" for index in range(len(text.columns)))]
    longest = cleaned.longest if cleaned.longest > _LONG_LINE else None
    relation = csv_relation(
        cleaned.path, names, text.delimiter, text.quote, header=False, longest=longest, whole=cleaned.broken
    )
    return f"(SELECT * REPLACE (CAST(line AS BIGINT) AS line, CAST(begins AS BIGINT) AS begins) FROM {relation})"


class _Reasons:
    """Query for the bad rows of a cleaned file; it returns line, offset and reason of each."""

    def __init__(self, con: duckdb.DuckDBPyConnection, values: Values, rules: RowRules, sound: str) -> None:
        reasons = {bad: literal(why) for why, bad in rules.reasons.items()} | dict(values.bad)
        cases = " ".join(f"WHEN {bad} THEN {why}" for bad, why in reasons.items()) or "WHEN true THEN ''"
        self._con = con
        self._query = (
            f"SELECT line, begins, CASE {cases} END FROM {values.relation} "
            f"WHERE NOT {rules.ignored} AND NOT ({sound}) ORDER BY line"
        )

    def all(self) -> list[tuple[int, int, str]]:
        return self._con.execute(self._query).fetchall()

    def first(self, other: First | None, count: int) -> First | None:
        """Return the first bad row of the file: `other`, or the first row of this query if its line is earlier."""
        row = self._con.execute(f"{self._query} LIMIT 1").fetchone() if count else None
        if row and (other is None or row[0] < other.line):
            return First(row[0], row[2])
        return other


def _check_limits(text: Text, good: int, bad: int, lines: int, first: First | None) -> None:
    """Refuse a file with too many bad rows, because the settings probably do not fit it.

    Raises:
        FileRefusedError: no row can be loaded, or more than `FEW` lines and more than the share `MOST_BAD` are bad.
    """
    if first and (not good or (lines > FEW and lines > MOST_BAD * (good + lines))):
        within = f" (on {lines} lines)" if lines != bad else ""
        raise FileRefusedError(
            f"{bad} of {good + bad} rows cannot be loaded{within}; the first is line {first.line} of {text.original}: "
            f"{first.reason}"
        )


def _without_rows(con: duckdb.DuckDBPyConnection, text: Text, entity: Entity, bad: int, ignored: int) -> Scanned:
    names = [name for name in text.columns if name]
    made = [*entity.constants, *entity.debit_credit, *filter(None, [entity.generated_key])]
    types = {name: entity.columns.get(name, STRING) for name in (*names, *made)}
    return Scanned(text, Values("", {}, types), 0, bad, ignored)


def _counts(con: duckdb.DuckDBPyConnection, relation: str, *wanted: str) -> tuple[int, ...]:
    row = con.execute(f"SELECT {', '.join(wanted)} FROM {relation}").fetchone()
    return tuple(int(count or 0) for count in row or ())


def _bytes(names: list[str]) -> str:
    """Return SQL for the total bytes of all values."""
    return f"list_sum([{', '.join(f'coalesce(sum(strlen({name})), 0)' for name in names)}])"


def _quotes(names: list[str], quote: str, typed: Collection[str]) -> str:
    """Return SQL for the number of quote characters in all values.

    Values of `typed` fields are searched only in rows whose column `other` is true: a plain number, date or boolean has
    no quotation mark or apostrophe.
    """
    one, sums = literal(quote), []
    for name in names:
        searched = "other" if name in typed and quote in "\"'" else f"contains({name}, {one})"
        sums.append(
            f"coalesce(sum(CASE WHEN {searched} THEN strlen({name}) - strlen(replace({name}, {one}, '')) END), 0)"
        )
    return f"list_sum([{', '.join(sums)}])"


def _expected(size: Bytes, rows: int, width: int) -> int:
    """Return the total bytes of all values, not counting quotes, computed from the file's size and record count."""
    end = 2 if size.returns else 1
    ends = rows * end - (0 if size.ends_with_newline else end)
    return size.total - size.quotes - rows * (width - 1) - ends

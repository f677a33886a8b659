"""Compare the published marts with the marts of a run: find changed rows, changed columns and changed column sums."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from stack_runtime.errors import UsageError
from stack_runtime.pipeline.marts import Mart, find_marts, literal, quoted
from stack_runtime.pipeline.model import MartDiff

_FLOATS = ("FLOAT", "DOUBLE")
_NUMBERS = (*_FLOATS, "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER",
            "UBIGINT", "UHUGEINT")  # fmt: skip
_NOISE = 1e-9
"""Relative difference up to which two floats are treated as equal, because float sums depend on the order of rows."""


def parse_share(text: str) -> float:
    """Return a percentage such as `10%` as a share between 0 and 1.

    Raises:
        UsageError: `text` is not a percentage from 0% to 100%.
    """
    number = text.strip().removesuffix("%")
    share = float(Decimal(number) / 100) if number.isascii() and number.replace(".", "", 1).isdecimal() else -1.0
    if not text.strip().endswith("%") or not 0 <= share <= 1:
        raise UsageError(f"{text[:40]!r} is not a percentage from 0% to 100%", next_command="--approve-over 10%")
    return share


def compare_marts(published: Path, database: Path, keys: Mapping[str, str]) -> tuple[MartDiff, ...]:
    """Compare the marts of two databases, and return the differences; equal marts are left out.

    Args:
        published: database that readers see; the file may be missing.
        database: database that the run built.
        keys: maps the name of a mart to the name of a column with unique values.
    """
    file = database.with_name("published-views.duckdb")
    file.unlink(missing_ok=True)
    views = _materialized_views(published, file)
    limits: dict[str, Any] = {"memory_limit": "768MB", "threads": 2, "temp_directory": str(database.with_name("spill"))}
    with duckdb.connect(str(database), read_only=True, config=limits) as connection:
        new = {mart.name: _Rows(mart, mart.sql()) for mart in find_marts(connection)}
        old: dict[str, _Rows] = {}
        if published.is_file():
            connection.execute(f"ATTACH {literal(published)} AS published_before (READ_ONLY)")
            connection.execute(f"ATTACH {literal(file)} AS published_views (READ_ONLY)")
            for mart in find_marts(connection, "published_before"):
                view = views.get(mart.name)
                source = f"published_views.main.{view}" if view else mart.sql("published_before")
                old[mart.name] = _Rows(mart, source)
        compared = [_Comparison(connection, old[name], new[name]).result(keys.get(name)) for name in old.keys() & new]
        compared += [_only_in(connection, new[name], is_new=True) for name in new.keys() - old]
        compared += [_only_in(connection, old[name], is_new=False) for name in old.keys() - new]
        return tuple(sorted((diff for diff in compared if not diff.is_empty), key=lambda diff: diff.mart))


@dataclass(frozen=True)
class _Rows:
    """A mart, and the SQL name of the table or view with its rows."""

    mart: Mart
    source: str


def _materialized_views(published: Path, file: Path) -> dict[str, str]:
    """For each published mart that is a view, copy its rows into a table of the new database `file`.

    The SQL of a view contains the name of its database. `compare_marts` attaches the published database under another
    name, so it cannot query the views.

    Returns: the name of each new table, by the name of its mart.
    """
    if not published.is_file():
        return {}
    found = {}
    with duckdb.connect(str(file)) as connection:
        before = {row[0] for row in connection.execute("SELECT database_name FROM duckdb_databases()").fetchall()}
        connection.execute(f"ATTACH {literal(published)} (READ_ONLY)")
        names = [row[0] for row in connection.execute("SELECT database_name FROM duckdb_databases()").fetchall()]
        (own,) = set(names) - before
        for number, mart in enumerate(mart for mart in find_marts(connection, own) if mart.is_view):
            connection.execute(f"CREATE TABLE main.{quoted(str(number))} AS FROM {mart.sql(own)}")
            found[mart.name] = quoted(str(number))
    return found


def _only_in(connection: duckdb.DuckDBPyConnection, rows: _Rows, *, is_new: bool) -> MartDiff:
    row = connection.execute(f"SELECT count(*) FROM {rows.source}").fetchone()
    count = int(row[0]) if row else 0
    if is_new:
        return MartDiff(rows.mart.name, None, count, 0, 0, None, columns=("mart added",))
    return MartDiff(rows.mart.name, None, 0, 0, count, 1.0, columns=("mart removed",))


class _Comparison:
    """Compare one mart in two databases."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, old: _Rows, new: _Rows) -> None:
        self._connection = connection
        self._old, self._new = old.mart, new.mart
        self._old_rows, self._new_rows = old.source, new.source

    def result(self, key: str | None) -> MartDiff:
        key = key if key and self._identifies(key) else None
        added, changed, removed = self._by_key(key) if key else self._by_content()
        before = self._number(f"SELECT count(*) FROM {self._old_rows}")
        columns = self._columns()
        moved = added + (changed or 0) + removed
        if any(not change.endswith(" added") for change in columns):
            share = 1.0  # a removed column or a changed type changes every row
        else:
            share = moved / before if before else float(bool(moved))
        return MartDiff(self._new.name, key, added, changed, removed, share, self._sums(), columns)

    def _by_key(self, key: str) -> tuple[int, int, int]:
        old, new, name = self._old_rows, self._new_rows, quoted(key)
        differs = " OR ".join(_differs(column, kind) for column, kind in self._common() if column != key) or "false"
        joined = f"FROM {old} AS o FULL JOIN {new} AS n ON o.{name} = n.{name}"
        row = self._connection.execute(
            f"SELECT count(*) FILTER (o.{name} IS NULL), "
            f"count(*) FILTER (o.{name} IS NOT NULL AND n.{name} IS NOT NULL AND ({differs})), "
            f"count(*) FILTER (n.{name} IS NULL) {joined}"
        ).fetchone()
        assert row
        return int(row[0]), int(row[1]), int(row[2])

    def _by_content(self) -> tuple[int, None, int]:
        """Count the rows that only the new mart has, and those that only the old mart has.

        A row that occurs twice in one mart and once in the other counts once.
        """
        columns = ", ".join(_comparable(column, kind) for column, kind in self._common()) or "1"
        old, new = (f"SELECT {columns} FROM {rows}" for rows in (self._old_rows, self._new_rows))
        added = self._number(f"SELECT count(*) FROM (({new}) EXCEPT ALL ({old}))")
        removed = self._number(f"SELECT count(*) FROM (({old}) EXCEPT ALL ({new}))")
        return added, None, removed

    def _identifies(self, key: str) -> bool:
        """Return whether both marts have the column `key` with the same type, unique values and no nulls."""
        if not any(column == key for column, _ in self._common()):
            return False
        name = quoted(key)
        return all(
            self._number(f"SELECT count(*) - count(DISTINCT {name}) FROM {rows}") == 0
            for rows in (self._old_rows, self._new_rows)
        )

    def _common(self) -> list[tuple[str, str]]:
        return [column for column in self._new.columns if column in self._old.columns]

    def _columns(self) -> tuple[str, ...]:
        old, new = dict(self._old.columns), dict(self._new.columns)
        return (
            *(f"{name} added" for name in new if name not in old),
            *(f"{name} removed" for name in old if name not in new),
            *(f"{name} is {new[name]}, was {old[name]}" for name in new if name in old and new[name] != old[name]),
        )

    def _sums(self) -> dict[str, tuple[str | None, str | None]]:
        """Return the old and new sum of each numeric column whose sums differ."""
        found = {}
        for column, kind in self._common():
            if kind in _NUMBERS or re.fullmatch(r"DECIMAL\(\d+,\d+\)", kind):
                query = f"SELECT sum({quoted(column)}) FROM "
                before, after = (self._value(query + rows) for rows in (self._old_rows, self._new_rows))
                if not _equal(before, after):
                    found[column] = (_text(before), _text(after))
        return found

    def _number(self, query: str) -> int:
        return int(self._value(query))

    def _value(self, query: str) -> Any:
        row = self._connection.execute(query).fetchone()
        assert row
        return row[0]


def _differs(column: str, kind: str) -> str:
    old, new = f"o.{quoted(column)}", f"n.{quoted(column)}"
    differs = f"{old} IS DISTINCT FROM {new}"
    if kind in _FLOATS:
        near = (
            f"isfinite({old}) AND isfinite({new}) AND abs({old} - {new}) <= {_NOISE} * greatest(abs({old}), abs({new}))"
        )
        return f"({differs} AND NOT coalesce({near}, false))"
    return differs


def _comparable(column: str, kind: str) -> str:
    """Return a column's SQL expression for a comparison of whole rows; floats are rounded to 9 significant digits."""
    name = quoted(column)
    return f"format('{{:.9g}}', {name})" if kind in _FLOATS else name


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=_NOISE) or (math.isnan(one) and math.isnan(other))
    return bool(one == other)


def _text(value: Any) -> str | None:
    return None if value is None else str(value)

"""Query the records of a file: counts, distinct values, and lines as evidence for a fact."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import duckdb

from tap_csv.inspection.model import SHOWN_VALUES

_WIDTH = 40
"""Maximum number of characters of a value that are shown."""


@dataclass(frozen=True)
class Field:
    """A column of the file: its name, its SQL, and the number of its non-empty values."""

    name: str
    sql: str
    filled: int = 0


class Table:
    """Those records of a file that can be read. `relation` has the columns `line`, c0, c1…"""

    def __init__(self, con: duckdb.DuckDBPyConnection, relation: str) -> None:
        self._con, self.relation = con, relation

    def stored(self, field: Field, *steps: Mapping[str, str]) -> Table:
        """Return a table with the filled values of one column and further columns, which are computed once and stored.

        Args:
            steps: SQL expressions of the further columns, by column name; each step can use the columns of the steps
                before it.
        """
        query = f"SELECT line, {field.sql} FROM {self.relation} WHERE trim({field.sql}) <> ''"
        for step in steps:
            columns = ", ".join(f'{expression} AS "{name}"' for name, expression in step.items())
            query = f"SELECT *, {columns} FROM ({query})"
        self._con.execute(f"CREATE OR REPLACE TEMP TABLE studied AS {query}")
        return Table(self._con, "studied")

    def values(self, *wanted: str) -> tuple[Any, ...]:
        """Return the values of these aggregate expressions over all records."""
        row = self._con.execute(f"SELECT {', '.join(wanted)} FROM {self.relation}").fetchone()
        return tuple(row or ())

    def counts(self, field: Field, tests: Mapping[str, str]) -> dict[str, int]:
        """Return by name how many values of the column meet each SQL condition in `tests`."""
        filled = f"coalesce(trim({field.sql}), '') <> ''"
        wanted = [f"count(*) FILTER ({filled} AND coalesce({test}, false))" for test in tests.values()]
        return dict(zip(tests, self.values(*wanted), strict=True))

    def distinct(self, expression: str, limit: int) -> list[str]:
        """Return up to `limit` different non-null values of an expression, sorted."""
        query = f"SELECT DISTINCT {expression} AS v FROM {self.relation} WHERE v IS NOT NULL LIMIT {limit}"
        return sorted(row[0] for row in self._con.execute(query).fetchall())

    def sample(self, field: Field, limit: int) -> list[str]:
        """Return the different values among the first `limit` non-empty values of a column."""
        text = f"trim({field.sql})"
        first = f"(SELECT {text} AS v FROM {self.relation} WHERE {text} <> '' LIMIT {limit})"
        return [row[0] for row in self._con.execute(f"SELECT DISTINCT v FROM {first}").fetchall()]

    def shown(self, field: Field, test: str) -> str:
        """Return the first values that meet a condition, each with its line, for example `line 3: '1.234'`."""
        meets = f"coalesce(trim({field.sql}), '') <> '' AND coalesce({test}, false)"
        query = (
            f"SELECT line, left(trim({field.sql}), {_WIDTH}) FROM {self.relation} "
            f"WHERE {meets} ORDER BY line LIMIT {SHOWN_VALUES}"
        )
        return ", ".join(f"line {line}: {text!r}" for line, text in self._con.execute(query).fetchall())

    def example(self, field: Field, test: str, expression: str) -> str:
        """Return the first value that meets a condition, and what an expression makes of it, as `'1.234' is 1234`."""
        query = (
            f"SELECT left(trim({field.sql}), {_WIDTH}), CAST({expression} AS VARCHAR) FROM {self.relation} "
            f"WHERE coalesce({test}, false) ORDER BY line LIMIT 1"
        )
        row = self._con.execute(query).fetchone()
        return f"{row[0]!r} is {row[1]}" if row else ""

    def is_unique(self, columns: list[str]) -> bool:
        """Return whether no two records have the same values of these columns."""
        listed = ", ".join(columns)
        query = f"SELECT 1 FROM {self.relation} GROUP BY {listed} HAVING count(*) > 1 LIMIT 1"
        return self._con.execute(query).fetchone() is None

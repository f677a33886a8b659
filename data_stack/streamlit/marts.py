"""Query any mart of the published file: columns, filters, sorting, pages, groups and CSV.

Names of marts and columns come from the user's models, so they are quoted; values of filters are parameters.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, Literal

from data_stack.streamlit.warehouse import Row, Version, rows

PAGE_ROWS = 100
"""Rows of one page of a table."""
CSV_ROWS = 100_000
"""Maximum number of rows of a download: the container has 512 MiB."""
GROUPS = 50
"""Maximum number of bars of a chart."""

Kind = Literal["text", "number", "day", "boolean"]

_MARTS = """
select table_name as name from information_schema.tables where table_schema = 'marts' order by table_name
"""
_COLUMNS = """
select column_name as name, data_type as type from information_schema.columns
where table_schema = 'marts' and table_name = ? order by ordinal_position
"""
_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "FLOAT", "DOUBLE", "DECIMAL", "UTINYINT",
            "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT")  # fmt: skip


@dataclass(frozen=True)
class Column:
    """A column of a mart, with its DuckDB type."""

    name: str
    type: str

    @property
    def kind(self) -> Kind:
        """Return how the column is filtered and shown."""
        if self.type.startswith(_NUMBERS):
            return "number"
        if self.type.startswith(("DATE", "TIMESTAMP")):
            return "day"
        return "boolean" if self.type == "BOOLEAN" else "text"

    @property
    def sql(self) -> str:
        """Return the quoted name."""
        return quoted(self.name)


@dataclass(frozen=True)
class Filter:
    """A condition on one column. None sets no bound.

    `text`: part of the text, in any case. `least`, `most`: bounds of a number or day, inclusive. `boolean`: the value.
    """

    column: Column
    text: str = ""
    least: Decimal | date | None = None
    most: Decimal | date | None = None
    boolean: bool | None = None

    def conditions(self) -> list[tuple[str, Any]]:
        """Return SQL conditions, each with its parameter."""
        name = f"cast({self.column.sql} as date)" if self.column.kind == "day" else self.column.sql
        found: list[tuple[str, Any]] = []
        if self.text:
            found.append((f"contains(lower(cast({name} as varchar)), lower(?))", self.text))
        if self.least is not None:
            found.append((f"{name} >= ?", self.least))
        if self.most is not None:
            found.append((f"{name} <= ?", self.most))
        if self.boolean is not None:
            found.append((f"{name} = ?", self.boolean))
        return found


@dataclass(frozen=True)
class Selection:
    """Rows of a mart: the chosen columns and filters, and the order."""

    mart: str
    columns: Sequence[Column]
    filters: Sequence[Filter] = ()
    order: Column | None = None
    descending: bool = False
    _conditions: tuple[tuple[str, Any], ...] = field(init=False)

    def __post_init__(self) -> None:
        found = tuple(condition for each in self.filters for condition in each.conditions())
        object.__setattr__(self, "_conditions", found)

    @property
    def _from(self) -> str:
        where = " and ".join(sql for sql, _ in self._conditions)
        return f"from marts.{quoted(self.mart)}" + (f" where {where}" if where else "")

    @property
    def _values(self) -> list[Any]:
        return [value for _, value in self._conditions]

    def count(self, published: Version) -> int:
        """Return the number of rows."""
        return int(rows(published, f"select count(*) as rows {self._from}", self._values)[0]["rows"])

    def page(self, published: Version, number: int, size: int = PAGE_ROWS) -> list[Row]:
        """Return the rows of a page; the first page is 1."""
        names = ", ".join(column.sql for column in self.columns)
        order = f" order by {self.order.sql}{' desc' if self.descending else ''} nulls last" if self.order else ""
        values = [*self._values, size, (number - 1) * size]
        return rows(published, f"select {names} {self._from}{order} limit ? offset ?", values)

    def groups(self, published: Version, by: Column, total: Column | None, apart: Column | None) -> list[Row]:
        """Return `{label, value}` of the largest groups, and `apart` if values must not be added across that column.

        Args:
            by: column of the groups; days are grouped by month.
            total: number column to add up; None counts rows.
            apart: column, such as the currency, that is never added up across its values.
        """
        label = f"strftime({by.sql}, '%Y-%m')" if by.kind == "day" else f"cast({by.sql} as varchar)"
        value = f"sum({total.sql})" if total else "count(*)"
        names = f"{label} as label, {value} as value" + (f", {apart.sql} as apart" if apart else "")
        order = "label desc" if by.kind == "day" else "abs(value) desc nulls last, label"
        query = f"select {names} {self._from} group by all order by {order} limit ?"
        return rows(published, query, [*self._values, GROUPS])

    def as_csv(self, published: Version) -> bytes:
        """Return the first `CSV_ROWS` rows as CSV in UTF-8; text that begins like a formula gets an apostrophe."""
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerow([_safe(column.name) for column in self.columns])
        for row in self.page(published, 1, CSV_ROWS):
            writer.writerow([_safe(row[column.name]) for column in self.columns])
        return out.getvalue().encode()


def names(published: Version) -> list[str]:
    """Return the names of all marts, sorted."""
    return [row["name"] for row in rows(published, _MARTS)]


def columns(published: Version, mart: str) -> list[Column]:
    """Return the columns of a mart in their order; empty if there is no such mart."""
    return [Column(row["name"], row["type"]) for row in rows(published, _COLUMNS, (mart,))]


def quoted(name: str) -> str:
    """Return a name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def _safe(value: Any) -> Any:
    """Return a cell for CSV; a spreadsheet executes text that begins like a formula, also after white space."""
    if isinstance(value, str) and (value.lstrip()[:1] in ("=", "+", "-", "@") or value[:1] in ("\t", "\r", "\n")):
        return f"'{value}"
    return value

"""Query any mart of the published file: columns, filters, sorting, pages and groups.

Names of marts and columns come from the user's models, so they are quoted; values of filters are parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, Literal

from data_stack.streamlit.warehouse import Row, Version, rows
from stack_runtime.pipeline.marts import SCHEMA, exact_column, quoted

PAGE_ROWS = 100
"""Number of rows on one page of a table."""
GROUPS = 50
"""Maximum number of months if a chart groups by month; otherwise, maximum number of rows that `Selection.groups`
returns."""

Kind = Literal["text", "number", "day", "boolean"]

_MARTS = """
select table_name as name from information_schema.tables where table_schema = 'marts' order by table_name
"""
_COLUMNS = """
select column_name as name, data_type as type from information_schema.columns
where table_schema = ? and table_name = ? order by ordinal_position
"""
_NUMBER = quoted("__fds_row_number")
"""Name of the column with the number of the row, which a sorted query adds; a mart must not have this name."""
_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "FLOAT", "DOUBLE", "DECIMAL", "UTINYINT",
            "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT")  # fmt: skip


@dataclass(frozen=True)
class Column:
    """A column of a mart, with its DuckDB type."""

    name: str
    type: str

    @property
    def kind(self) -> Kind:
        """Return the kind of the column's values, which decides how the column is filtered and shown."""
        if self.type.endswith("]"):  # the type of a list, such as DECIMAL(18,4)[]
            return "text"
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
    """A condition on the values of one column. A field with its default value sets no condition.

    `text`: a value must contain this text; upper and lower case count as equal. `least`, `most`: inclusive bounds of a
    number or day. `boolean`: a value must be this one. `any_of`: a value must be equal to one of these texts.
    """

    column: Column
    text: str = ""
    least: Decimal | date | None = None
    most: Decimal | date | None = None
    boolean: bool | None = None
    any_of: tuple[str, ...] = ()

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
        if self.any_of:
            found.append((f"{name} = any(?)", list(self.any_of)))
        return found


@dataclass(frozen=True)
class Selection:
    """A selection of rows of a mart: the columns to show, the filters, and the order."""

    mart: str
    columns: Sequence[Column]
    filters: Sequence[Filter] = ()
    order: Column | None = None
    descending: bool = False
    schema: str = SCHEMA
    _conditions: tuple[tuple[str, Any], ...] = field(init=False)

    def __post_init__(self) -> None:
        found = tuple(condition for each in self.filters for condition in each.conditions())
        object.__setattr__(self, "_conditions", found)

    @property
    def _from(self) -> str:
        where = " and ".join(sql for sql, _ in self._conditions)
        return f"from {quoted(self.schema)}.{quoted(self.mart)}" + (f" where {where}" if where else "")

    @property
    def _values(self) -> list[Any]:
        return [value for _, value in self._conditions]

    def count(self, published: Version) -> int:
        """Return the number of rows."""
        return int(rows(published, f"select count(*) as rows {self._from}", self._values)[0]["rows"])

    def page(self, published: Version, number: int, size: int = PAGE_ROWS) -> list[Row]:
        """Return the rows of the page `number`; the first page has the number 1."""
        return rows(published, *self.query(size, (number - 1) * size))

    def query(self, limit: int, offset: int = 0, *, exact: bool = False) -> tuple[str, list[Any]]:
        """Return the SQL that selects rows, and its parameters.

        Args:
            exact: convert values to text or another type if Parquet or Arrow would change them.
        """
        names = ", ".join(exact_column(column.name, column.type) if exact else column.sql for column in self.columns)
        values = [*self._values, limit, offset]
        if self.order is None:
            return f"select {names} {self._from} limit ? offset ?", values
        # Number the rows, so that rows with the same value of `order` have one order on all pages.
        order = f"{self.order.sql}{' desc' if self.descending else ''} nulls last, {_NUMBER}"
        numbered = f"(select *, row_number() over () as {_NUMBER} {self._from})"
        return f"select {names} from {numbered} order by {order} limit ? offset ?", values

    def groups(self, published: Version, by: Column, total: Column | None, apart: Column | None) -> list[Row]:
        """Return the largest groups as `{label, value}`; if `by` is a date column, return the latest months instead.

        If `apart` is given, each row also has the key `apart`.

        Args:
            by: column of the groups; days are grouped by month.
            total: number column to add up; None counts rows.
            apart: column, such as the currency; rows with different values of this column are never added up.
        """
        value = f"sum({total.sql})" if total else "count(*)"
        label = f"last_day(cast({by.sql} as date))" if by.kind == "day" else f"cast({by.sql} as varchar)"
        names = f"{label} as label, {value} as value" + (f", {apart.sql} as apart" if apart else "")
        grouped = f"(select {names} {self._from} group by all)"
        if by.kind == "day":  # limit the months, not the rows, so that no month loses the row of a currency
            latest = "dense_rank() over (order by label desc) <= ? order by label desc"
            query = f"select * replace (strftime(label, '%Y-%m') as label) from {grouped} qualify {latest}"
        else:
            query = f"from {grouped} order by abs(value) desc nulls last, label limit ?"
        return rows(published, query, [*self._values, GROUPS])


def names(published: Version) -> list[str]:
    """Return the names of all marts, sorted."""
    return [row["name"] for row in rows(published, _MARTS)]


def columns(published: Version, mart: str, schema: str = SCHEMA) -> list[Column]:
    """Return the columns of a mart, or of a table of another schema, in their order; empty if it does not exist."""
    return [Column(row["name"], row["type"]) for row in rows(published, _COLUMNS, (schema, mart))]

"""Define the column types: their names in settings, in DuckDB and in Singer schemas."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

from tap_csv.errors import TapError

Kind = Literal["string", "integer", "decimal", "boolean", "date", "datetime"]

_JSON: dict[Kind, dict[str, str]] = {
    "string": {"type": "string"}, "integer": {"type": "integer"}, "decimal": {"type": "number"},
    "boolean": {"type": "boolean"}, "date": {"type": "string", "format": "date"},
    "datetime": {"type": "string", "format": "date-time"},
}  # fmt: skip
_SQL: dict[Kind, str] = {
    "string": "VARCHAR", "integer": "BIGINT", "boolean": "BOOLEAN", "date": "DATE", "datetime": "TIMESTAMP",
}  # fmt: skip
_DECIMAL = re.compile(r"decimal\(\s*(\d{1,2})\s*,\s*(\d{1,2})\s*\)")


@dataclass(frozen=True)
class ColumnType:
    """Type of a column; decimals have `precision` digits, `scale` of them after the point.

    A decimal that is not `fixed` becomes `WIDE` if a value needs it.
    """

    kind: Kind
    precision: int = 0
    scale: int = 0
    fixed: bool = True

    @property
    def sql(self) -> str:
        """The name of the type in DuckDB."""
        return f"DECIMAL({self.precision},{self.scale})" if self.kind == "decimal" else _SQL[self.kind]

    @property
    def widest(self) -> ColumnType:
        """The widest type that the column may get."""
        return self if self.fixed else WIDE

    def json_schema(self, *, nullable: bool) -> dict[str, Any]:
        """Return the schema for a SCHEMA message; targets can read the exact decimal type in `x-sql-datatype`."""
        schema: dict[str, Any] = dict(_JSON[self.kind])
        if nullable:
            schema["type"] = ["null", schema["type"]]
        if self.kind == "decimal":
            schema["x-sql-datatype"] = self.sql
        return schema


STRING = ColumnType("string")
NARROW = ColumnType("decimal", 18, 4, fixed=False)
"""Type of a `decimal` column until a value needs `WIDE`: its arithmetic is fast, and money fits into it."""
WIDE = ColumnType("decimal", 38, 18, fixed=False)
"""Type that holds every value of a `NARROW` column, and the smallest units of common crypto currencies."""

_NAMED: dict[str, ColumnType] = {
    "string": STRING, "integer": ColumnType("integer"), "decimal": NARROW, "boolean": ColumnType("boolean"),
    "date": ColumnType("date"), "datetime": ColumnType("datetime"),
}  # fmt: skip


def declared(column: str, text: str) -> ColumnType:
    """Return the column type whose name in the settings is `text`.

    Args:
        column: name of the column that declares the type, for the error message.
    Raises:
        TapError: there is no such type.
    """
    if text in _NAMED:
        return _NAMED[text]
    match = _DECIMAL.fullmatch(text)
    if match and 1 <= int(match[1]) <= 38 and int(match[2]) <= int(match[1]):
        return ColumnType("decimal", int(match[1]), int(match[2]))
    raise TapError(f"column {column!r}: type {text!r} is not one of {', '.join(_NAMED)}, decimal(18,2)")

"""Types of columns: what fits them, how DuckDB casts to them, and how they are told to a target.

A type is inferred only where it gives every text back as it was: `00123` stays a string, `12.30` becomes a decimal
and never a binary float. Times with an offset are kept as UTC.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from tap_csv.errors import TapError

Kind = Literal["empty", "boolean", "integer", "decimal", "number", "date", "datetime", "instant", "string"]

_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_TIME = r"[T ][0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,6})?"
_PATTERNS: dict[Kind, str] = {
    "boolean": "(?i:true|false)",
    "integer": "0|-?[1-9][0-9]{0,18}",
    "decimal": "-?(0|[1-9][0-9]*)([.][0-9]+)?",
    "date": _DATE,
    "datetime": f"{_DATE}({_TIME})?",
    "instant": f"{_DATE}{_TIME}(Z|[+-][0-9]{{2}}:[0-9]{{2}})",
}
"""In the order in which they are tried; DuckDB's regular expressions and Python's read them alike."""

WIDER: dict[Kind, Kind] = {"integer": "decimal", "date": "datetime"}
"""What is tried next where a kind does not hold for the whole file; else string."""

_SQL: dict[Kind, str] = {
    "empty": "VARCHAR", "boolean": "BOOLEAN", "integer": "BIGINT", "number": "DOUBLE", "date": "DATE",
    "datetime": "TIMESTAMP", "instant": "TIMESTAMP", "string": "VARCHAR",
}  # fmt: skip
_JSON: dict[Kind, dict[str, str]] = {
    "empty": {"type": "string"}, "boolean": {"type": "boolean"}, "integer": {"type": "integer"},
    "decimal": {"type": "number"}, "number": {"type": "number"}, "date": {"type": "string", "format": "date"},
    "datetime": {"type": "string", "format": "date-time"}, "instant": {"type": "string", "format": "date-time"},
    "string": {"type": "string"},
}  # fmt: skip


FORMS = {
    "decimal": "(TRY_CAST({0} AS DECIMAL(18,4)) IS NOT NULL AND NOT contains({0}, '_'))",
    "day": "(coalesce(isfinite(coalesce(TRY_CAST({0} AS DATE), CAST(TRY_CAST({0} AS TIMESTAMP) AS DATE))), false) "
    "AND left(ltrim({0}), 1) BETWEEN '0' AND '9')",
}
"""What a column may be declared to hold without saying its type: a text that does not read so is bad, and the type is
inferred from the others. In SQL, where `{0}` is a text. A decimal has up to 14 digits before the point; `1_000` and
the day `epoch`, which DuckDB takes too, are slips of a pen."""


@dataclass(frozen=True)
class ColumnType:
    """A kind; `digits` before and `scale` after the point bound its numbers (decimals and integers)."""

    kind: Kind
    digits: int = 0
    scale: int = 0

    @property
    def sql(self) -> str:
        """DuckDB's type. A decimal is as narrow as its arithmetic is fast: 18 digits, else 38."""
        if self.kind == "decimal":
            return f"DECIMAL({18 if self.digits + self.scale <= 18 else 38},{self.scale})"
        return _SQL[self.kind]

    def json_schema(self, *, nullable: bool) -> dict[str, Any]:
        """As in a SCHEMA message. `x-sql-datatype` tells the exact decimal to targets that know it."""
        schema: dict[str, Any] = dict(_JSON[self.kind])
        if nullable:
            schema["type"] = ["null", schema["type"]]
        if self.kind == "decimal":
            schema["x-sql-datatype"] = self.sql
        return schema

    def cast(self, column: str) -> str:
        """SQL that turns text into this type. It raises where the text does not fit."""
        if self.kind == "instant":  # a plain cast would drop the offset
            return f"make_timestamp(epoch_us(CAST({column} AS TIMESTAMPTZ)))"
        return column if self.sql == "VARCHAR" else f"CAST({column} AS {self.sql})"

    def satisfied(self, column: str) -> str:
        """SQL: whether a text satisfies this type as a declared one, which is laxer than an inferred one."""
        patterns = {
            "integer": "[+-]?[0-9]+",
            "number": "[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][+-]?[0-9]+)?",
            "decimal": f"[+-]?[0-9]+([.][0-9]{{0,{self.scale}}}0*)?",
            "date": _PATTERNS["date"],
            "datetime": _PATTERNS["datetime"],
        }
        if self.kind == "string":
            return "true"
        shape = f"regexp_full_match({column}, '{patterns[self.kind]}') AND " if self.kind in patterns else ""
        return f"({column} IS NULL OR coalesce({shape}TRY_CAST({column} AS {self.sql}) IS NOT NULL, false))"


def has_form(form: str, column: str) -> str:
    """SQL: whether a text, or NULL, has one of the `FORMS`."""
    return f"({column} IS NULL OR {FORMS[form].format(column)})"


def declared(column: str, text: str) -> ColumnType:
    """Read a type out of the settings.

    Raises:
        TapError: no such type.
    """
    kinds: tuple[Kind, ...] = ("string", "integer", "number", "boolean", "date", "datetime")
    for kind in kinds:
        if text == kind:
            return ColumnType(kind)
    match = re.fullmatch(r"decimal\(\s*(\d{1,2})\s*,\s*(\d{1,2})\s*\)", text)
    if match and int(match[2]) <= int(match[1]) <= 38:
        return ColumnType("decimal", int(match[1]) - int(match[2]), int(match[2]))
    raise TapError(f"column {column!r}: type {text!r} is none of {', '.join((*kinds, *FORMS))}, decimal(18,2)")


def guess(texts: Iterable[str]) -> Kind:
    """The narrowest kind that all of some texts fit; `empty` without any text."""
    found = set(texts)
    if not found:
        return "empty"
    return next((kind for kind, pattern in _PATTERNS.items() if all(re.fullmatch(pattern, t) for t in found)), "string")


def fits(kind: Kind, column: str) -> str:
    """SQL: whether a text, not NULL, fits an inferred kind.

    Dates and integers are compared with what DuckDB writes back, which is much faster than a regular expression.
    """
    pattern = f"regexp_full_match({column}, '{_PATTERNS.get(kind, '')}')"
    return {
        "integer": f"coalesce(CAST(TRY_CAST({column} AS BIGINT) AS VARCHAR) = {column}, false)",
        # ten characters: 'infinity' too is a date, and comes back as it was
        "date": f"coalesce(CAST(TRY_CAST({column} AS DATE) AS VARCHAR) = {column} AND strlen({column}) = 10, false)",
        "datetime": f"({pattern} AND TRY_CAST({column} AS TIMESTAMP) IS NOT NULL)",
        "instant": f"({pattern} AND TRY_CAST({column} AS TIMESTAMPTZ) IS NOT NULL)",
    }.get(kind, pattern)


def scale(column: str, likely: int) -> str:
    """SQL: digits after the point of a decimal, -1 for what is none. Fast where most texts have `likely` digits."""
    return (
        f"CASE WHEN CAST(TRY_CAST({column} AS DECIMAL(18,{likely})) AS VARCHAR) = {column} THEN {likely} "
        f"WHEN NOT regexp_full_match({column}, '{_PATTERNS['decimal']}') THEN -1 "
        f"WHEN contains({column}, '.') THEN strlen({column}) - strpos({column}, '.') ELSE 0 END"
    )


def merged(one: ColumnType, other: ColumnType) -> ColumnType:
    """The narrowest type that holds the values of both."""
    if "empty" in (one.kind, other.kind):
        return other if one.kind == "empty" else one
    kinds = {one.kind, other.kind}
    if kinds <= {"integer", "decimal"}:
        return decimal_or_string(
            max(one.digits, other.digits), max(one.scale, other.scale), integer=kinds == {"integer"}
        )
    if len(kinds) == 1:
        return one
    return ColumnType("datetime" if kinds == {"date", "datetime"} else "string")


def decimal_or_string(digits: int, places: int, *, integer: bool = False) -> ColumnType:
    """A number of these bounds: DuckDB's decimals end at 38 digits."""
    if integer:
        return ColumnType("integer", digits)
    return ColumnType("decimal", digits, places) if digits + places <= 38 else ColumnType("string")

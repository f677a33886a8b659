"""Map JSON schema to DuckDB types, and find the common type of two types."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_DECIMAL = re.compile(r"DECIMAL\((\d{1,2}),(\d{1,2})\)")
_FORMATS = {"date": "DATE", "date-time": "TIMESTAMP", "time": "TIME"}
_PRIMITIVES = {"boolean": "BOOLEAN", "integer": "BIGINT", "number": "DOUBLE", "string": "VARCHAR"}
_BIGINT_DIGITS = 19


def sql_type(schema: Mapping[str, Any]) -> str:
    """Return the DuckDB type of a property of a JSON schema.

    Objects, arrays and unions of several types are stored as JSON.
    `x-sql-datatype: DECIMAL(p,s)`, as tap-csv sends it, makes a `number` exact; without it, a `number` is a DOUBLE.
    Times with an offset are stored as UTC.
    """
    kinds = _kinds(schema)
    if kinds == {"integer", "number"}:
        kinds = {"number"}
    if len(kinds) != 1:
        return "JSON"
    kind = kinds.pop()
    exact = _DECIMAL.fullmatch(str(schema.get("x-sql-datatype", "")))
    if kind == "number" and exact and int(exact[2]) <= int(exact[1]) <= 38:
        return exact[0]
    if kind == "string":
        return _FORMATS.get(str(_format(schema)), "VARCHAR")
    return _PRIMITIVES.get(kind, "JSON")


def merged(one: str, other: str) -> str:
    """Return a type for the values of both types; DOUBLE may lose digits, so the caller must then check the values."""
    if one == other:
        return one
    pair = {one, other}
    if all(map(is_number, pair)) and "DOUBLE" not in pair:
        bounds = [_bounds(name) for name in pair]
        digits, scale = max(b[0] for b in bounds), max(b[1] for b in bounds)
        return f"DECIMAL({18 if digits + scale <= 18 else 38},{scale})" if digits + scale <= 38 else "VARCHAR"
    if all(map(is_number, pair)):
        return "DOUBLE"
    if pair == {"DATE", "TIMESTAMP"}:
        return "TIMESTAMP"
    return "VARCHAR"


def is_number(name: str) -> bool:
    """Return whether `name` is one of the numeric types that this target creates."""
    return name in ("BIGINT", "DOUBLE") or bool(_DECIMAL.fullmatch(name))


def scale_of(name: str) -> int:
    """Return the number of digits after the point of a DECIMAL; 0 for a BIGINT or a DOUBLE."""
    return _bounds(name)[1]


def _bounds(name: str) -> tuple[int, int]:
    match = _DECIMAL.fullmatch(name)
    return (int(match[1]) - int(match[2]), int(match[2])) if match else (_BIGINT_DIGITS, 0)


def _kinds(schema: Mapping[str, Any]) -> set[str]:
    found: set[str] = set()
    for branch in (schema, *schema.get("anyOf", ()), *schema.get("oneOf", ())):
        kind = branch.get("type", [])
        found |= {kind} if isinstance(kind, str) else set(kind)
    return found - {"null"}


def _format(schema: Mapping[str, Any]) -> str | None:
    branches = (schema, *schema.get("anyOf", ()), *schema.get("oneOf", ()))
    return next((branch["format"] for branch in branches if "format" in branch), None)

"""The types of columns, from every value of a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import duckdb

from tap_csv.types import WIDER, ColumnType, Kind, decimal_or_string, fits, guess, scale

_SAMPLE = 2000
"""Records that the first guess rests on; each guess is then checked against all."""


def inferred(
    con: duckdb.DuckDBPyConnection, relation: str, header: Sequence[str], declared: Mapping[str, ColumnType],
    checks: Mapping[str, str],
) -> tuple[dict[str, ColumnType], dict[str, int]]:  # fmt: skip
    """Find the narrowest type that holds every value of each column; declared ones stand.

    Returns: the types in the order of the header, and what the aggregates `checks` gave in the same scan.
    """
    columns = {f"c{index}": name for index, name in enumerate(header)}
    sample = con.execute(f"SELECT {', '.join(columns)} FROM {relation} LIMIT {_SAMPLE}").fetchall()
    texts = {column: [row[at] for row in sample if row[at] is not None] for at, column in enumerate(columns)}
    open_ = {column: guess(texts[column]) for column, name in columns.items() if name not in declared}
    types = {column: declared[name] for column, name in columns.items() if name in declared}
    found: dict[str, int] = {}
    while open_ or not found:
        wanted = {} if found else dict(checks)
        helpers = ""  # DuckDB works a CASE out once for each time that it is written
        for column, kind in open_.items():
            wanted |= {f"{column} {what}": sql for what, sql in _aggregates(column, kind).items()}
            if kind == "decimal":
                helpers += f", {scale(column, _places(texts[column]))} AS {column}_places"
        row = _aggregate(con, f"(SELECT *{helpers} FROM {relation})", wanted)
        found = found or {name: int(row[name] or 0) for name in checks}
        open_, settled = _settle(open_, row)
        types |= settled
        for column in (column for column, kind in open_.items() if kind == "empty"):
            texts[column] = [text for (text,) in con.execute(_values(relation, column)).fetchall()]
            open_[column] = guess(texts[column])
    return {name: types[column] for column, name in columns.items()}, found


def _settle(open_: Mapping[str, Kind], row: Mapping[str, Any]) -> tuple[dict[str, Kind], dict[str, ColumnType]]:
    """Part the guesses that hold from those that need a wider one; `empty` stays itself until it is looked at."""
    again: dict[str, Kind] = {}
    settled: dict[str, ColumnType] = {}
    for column, kind in open_.items():
        if kind == "string":
            settled[column] = ColumnType("string")
        elif row[f"{column} misfits"]:
            again[column] = "empty" if kind == "empty" else WIDER.get(kind, "string")
        elif kind in ("integer", "decimal"):
            digits, places = int(row[f"{column} digits"]), int(row[f"{column} places"])
            settled[column] = decimal_or_string(digits, places, integer=kind == "integer")
        else:
            settled[column] = ColumnType(kind)
    return again, settled


def _aggregates(column: str, kind: Kind) -> dict[str, str]:
    if kind == "string":
        return {}
    if kind == "empty":
        return {"misfits": f"count({column})"}
    if kind != "decimal":
        misfits = {"misfits": f"count(*) FILTER ({column} IS NOT NULL AND NOT {fits(kind, column)})"}
        return misfits | ({"digits": f"max(strlen({column}))", "places": "0"} if kind == "integer" else {})
    places = f"{column}_places"
    # the point and the sign are no digits
    digits = f"strlen({column}) - {places} - ({places} > 0)::INT - starts_with({column}, '-')::INT"
    return {
        "misfits": f"count(*) FILTER ({places} < 0)",
        "places": f"max({places})",
        "digits": f"max({digits})",
    }


def _places(texts: Sequence[str]) -> int:
    """Digits after the point that most texts have, as far as 18 digits allow."""
    counts = [len(text.partition(".")[2]) for text in texts]
    return min(max(set(counts), key=counts.count), 9) if counts else 0


def _aggregate(con: duckdb.DuckDBPyConnection, relation: str, wanted: Mapping[str, str]) -> dict[str, Any]:
    if not wanted:
        return {}
    row = con.execute(f"SELECT {', '.join(wanted.values())} FROM {relation}").fetchone()
    return dict(zip(wanted, row or (), strict=True))


def _values(relation: str, column: str) -> str:
    return f"SELECT {column} FROM {relation} WHERE {column} IS NOT NULL LIMIT {_SAMPLE}"

"""Find the columns that can identify a record, and ask for the key, because a file alone never proves its key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tap_csv.inspection.model import Column, Open, Option
from tap_csv.inspection.table import Table

GENERATED = "row_id"
_MOST = 10
_ALMOST = 0.8
"""A column is checked for uniqueness only if DuckDB estimates at least this number of distinct values per row."""


def key_candidates(table: Table, names: Mapping[str, str], columns: Sequence[Column]) -> list[str]:
    """Return at most ten columns with a different value in every record, text columns first."""
    rows = table.values("count(*)")[0]
    full = [column for column in columns if rows and column.filled == rows]
    if not full:
        return []
    estimates = table.values(*(f"approx_count_distinct({names[column.name]})" for column in full))
    likely = [column for column, count in zip(full, estimates, strict=True) if count >= rows * _ALMOST]
    likely.sort(key=lambda column: column.type != "string")
    return [column.name for column in likely[:_MOST] if table.is_unique([names[column.name]])]


def key_question(candidates: Sequence[str], taken: Mapping[str, str]) -> Open:
    """Return the question of which columns identify a record; its options are `candidates` and a generated key."""
    name = GENERATED
    while name in taken:
        name = f"_{name}"
    options = [Option({"keys": [one]}, f"{one} is different in every row") for one in candidates]
    made = Option({"generated_key": name}, "a hash of the row; a corrected row is then a new one")
    unique = "which column identifies a row? Later rows with the same key replace earlier ones"
    return Open("keys", unique if candidates else f"no column is different in every row; {unique}", (*options, made))

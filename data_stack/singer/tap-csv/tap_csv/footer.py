"""Find the footer of a file: a few rows at its end with numbers but without a day, which are taken for totals."""

from __future__ import annotations

import duckdb

from tap_csv import dates
from tap_csv.files import Text, last_rows
from tap_csv.settings import Entity

_MOST = 3
"""Maximum number of rows with a number but no day that are taken for totals; if there are more, none is."""


def day_positions(text: Text, entity: Entity) -> list[int]:
    """Return the positions of the fields with days or times."""
    return _positions(text, {name for name, kind in entity.columns.items() if kind.kind in ("date", "datetime")})


def number_positions(text: Text, entity: Entity) -> list[int]:
    """Return the positions of the fields with numbers, including debits and credits."""
    wanted = {name for name, kind in entity.columns.items() if kind.kind in ("decimal", "integer")}
    pairs = entity.debit_credit.values()
    return _positions(text, wanted | {pair.debit for pair in pairs} | {pair.credit for pair in pairs})


def _positions(text: Text, names: set[str]) -> list[int]:
    return [at for at, name in enumerate(text.columns) if name in names]


def ends_without_day(text: Text, entity: Entity) -> bool:
    """Return whether the file seems to end with a row that has a number but no day. It is a quick test of its end.

    Rows of another width, blank rows and rows without numbers do not count. Return False if `ignore_rows` is declared,
    or if the entity has no columns of days or no numbers.
    """
    days, numbers = day_positions(text, entity), number_positions(text, entity)
    if not days or not numbers or entity.format.ignore_rows is not None:
        return False
    for row in last_rows(text):
        if any(row[at].strip() for at in numbers):
            return not any(row[at].strip() for at in days)
    return False


def without_day(text: Text, entity: Entity) -> str:
    """Return an SQL condition: the row has a number, but all its day and time columns are empty."""
    numbers = " OR ".join(f"coalesce(trim(c{at}), '') <> ''" for at in number_positions(text, entity))
    return f"({_empty(day_positions(text, entity))} AND ({numbers}))"


def _empty(positions: list[int]) -> str:
    return "(" + " AND ".join(f"coalesce(trim(c{at}), '') = ''" for at in positions) + ")"


def footer(con: duckdb.DuckDBPyConnection, relation: str, text: Text, entity: Entity) -> int | None:
    """Return the line where the footer begins; None if there is none.

    It has at most `_MOST` rows with a number, and no row after its first line has a readable day.

    Args:
        relation: the cleaned records of the file, with the column `line`.
    """
    if not ends_without_day(text, entity):
        return None
    days = day_positions(text, entity)
    empty = _empty(days)
    found = con.execute(
        f"SELECT count(*) FILTER ({without_day(text, entity)}), min(line) FILTER ({empty}), "
        f"min(line) FILTER (NOT {empty}) FROM {relation}"
    ).fetchone()
    rows, first, dated = found or (0, None, None)
    if not rows or rows > _MOST or (rows > 1 and (dated is None or dated > first)):
        return None
    # A remark after the totals, such as the day of printing, can stand in a column of days.
    readable = " OR ".join(f"{dates.moment(f'c{at}', entity.format.dates)} IS NOT NULL" for at in days)
    later = con.execute(f"SELECT count(*) FROM {relation} WHERE line > {first} AND ({readable})").fetchone()
    return None if later and later[0] else int(first)

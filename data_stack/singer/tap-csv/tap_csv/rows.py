"""What makes a row good, whatever its values mean: SQL conditions, each with the reason that its failure is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tap_csv.clean import BLANK, SWALLOWED, SWALLOWED_PAIRS
from tap_csv.files import Text, last_row
from tap_csv.settings import Entity
from tap_csv.sql import literal

_TOTALS = (
    "(grand |sub ?|sub-|zwischen|gesamt|end|anfangs|opening |closing |ending |beginning )?"
    "(totals?|sum|summe|saldo|balance|gesamt|totale|somme|suma|summa|totaal|итого)( .*)?:?"
)
"""What the first filled field of a total row is, in small letters."""


@dataclass(frozen=True)
class RowRules:
    """SQL for the rows of a file: `ignored` ones are left out; `reasons` has the condition under which each holds."""

    ignored: str
    reasons: Mapping[str, str]

    @property
    def sound(self) -> str:
        """SQL: whether no reason holds."""
        return " AND ".join(f"NOT {bad}" for bad in self.reasons.values()) or "true"


def row_rules(text: Text, entity: Entity, last_line: int | None) -> RowRules:
    """The rules of an entity for a file.

    Args:
        last_line: the line of the last record if it alone has no day, else None.
    """
    fields = {name: f"c{index}" for index, name in enumerate(text.columns) if name}
    reasons = {f"key {name} is empty": f"(coalesce(trim({fields[name]}), '') = '')" for name in entity.keys}
    for index, name in enumerate(text.columns):
        if name is None:
            reasons[f"a value in field {index + 1}, which has no name in the header"] = f"(c{index} IS NOT NULL)"
    if entity.format.ignore_rows is None:
        reasons |= _totals(text, entity, fields, last_line)
    return RowRules(_ignored(text, entity), reasons)


def _first_filled(width: int) -> str:
    filled = ", ".join(f"nullif(trim(c{index}), '')" for index in range(width))
    return f"coalesce({filled}, '')"


def _ignored(text: Text, entity: Entity) -> str:
    """SQL: whether a row is empty, or of `ignore_rows`. Rows with a key are not empty, which is looked at anyway."""
    width = len(text.columns)
    blank = " AND ".join(f"(c{index} IS NULL OR trim(c{index}, {literal(BLANK)}) = '')" for index in range(width))
    tests = [] if entity.keys else [f"({blank})"]
    first = _first_filled(width)
    tests += [f"regexp_matches({first}, {literal(f'^(?:{text})')})" for text in entity.format.ignore_rows or ()]
    return f"({' OR '.join(tests) or 'false'})"


def _totals(text: Text, entity: Entity, fields: Mapping[str, str], last_line: int | None) -> dict[str, str]:
    """Rows of totals: a word for it where another declared column is empty, or the last row alone without a day."""
    declared = [fields[name] for name in (*entity.keys, *entity.columns) if name in fields]
    watched = declared if len(declared) > 1 else list(fields.values())
    empty = " OR ".join(f"{column} IS NULL" for column in watched)
    word = f"regexp_full_match(lower({_first_filled(len(text.columns))}), {literal(_TOTALS)})"
    advice = "declare it in ignore_rows, or ignore_rows: [] if it is data"
    reasons = {f"looks like a total row; {advice}": f"(CASE WHEN {empty} THEN {word} ELSE false END)"}
    if last_line:
        reasons[f"only the last row has no day, so it looks like a total row; {advice}"] = f"(line = {last_line})"
    return reasons


def _positions(text: Text, entity: Entity, kinds: tuple[str, ...]) -> list[int]:
    """Where the declared columns of some kinds stand."""
    wanted = {name for name, kind in entity.columns.items() if kind.kind in kinds}
    return [at for at, name in enumerate(text.columns) if name in wanted]


def ends_without_day(text: Text, entity: Entity) -> bool:
    """Whether the last line of a file has a number and no day, though the entity has days."""
    days = _positions(text, entity, ("date", "datetime"))
    numbers = _positions(text, entity, ("decimal", "integer"))
    if not days or not numbers or entity.format.ignore_rows is not None:
        return False
    row = last_row(text)
    is_whole = len(row) == len(text.columns)
    return is_whole and not any(row[at].strip() for at in days) and any(row[at].strip() for at in numbers)


def without_day(text: Text, entity: Entity) -> str:
    """SQL: whether a row has no day at all."""
    return " AND ".join(f"coalesce(trim(c{at}), '') = ''" for at in _positions(text, entity, ("date", "datetime")))


def swallowed(names: Sequence[str], delimiter: str) -> str:
    """SQL: whether a quoted field holds lines that look like rows; as `clean.swallowed_lines` has it."""
    width, one = len(names), literal(delimiter)
    if width < 2:
        return "false"
    least = SWALLOWED if width > 2 else SWALLOWED_PAIRS
    tests = []
    for name in names:
        lines = f"string_split({name}, chr(10))"
        like = f"len(list_filter({lines}[2:-2], x -> strlen(x) - strlen(replace(x, {one}, '')) = {width - 1}))"
        rows = f"{like} >= {least} AND {like} * 2 >= len({lines}) - 2"
        tests.append(f"(CASE WHEN contains({name}, chr(10)) THEN {rows} ELSE false END)")
    return f"({' OR '.join(tests)})"

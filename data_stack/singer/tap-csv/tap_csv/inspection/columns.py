"""Propose a type for each column, and the settings with which the tap reads all columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tap_csv.dates import ISO, check_formats
from tap_csv.errors import TapError
from tap_csv.inspection import days, numbers
from tap_csv.inspection.days import Days
from tap_csv.inspection.model import Column, Open, Option
from tap_csv.inspection.numbers import Numbers
from tap_csv.inspection.table import Field, Table
from tap_csv.settings import Entity
from tap_csv.sql import literal

_NUMBER = r"[^0-9]{0,8}[0-9][0-9.,\s\x{00A0}\x{2007}\x{2009}\x{202F}'\x{2019}]*[^0-9]{0,8}"
_DAY = r"([0-9]{1,4}[^0-9]{1,3}([0-9]{1,2}|[A-Za-z]{3,9})|[A-Za-z]{3,9} [0-9]{1,2})[^0-9]{1,3}[0-9]{2,4}([^0-9].*)?"
_WHOLE = "[0-9]{1,18}"
_PERCENT = r"[^%]*[0-9][^%0-9]*%"
_BOOLEANS = (("true", "false"), ("yes", "no"))


@dataclass
class Columns:
    """The proposed columns, and the settings with which the tap reads all of them."""

    columns: list[Column] = field(default_factory=list)
    open: list[Open] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    decimal: str | None = None
    thousands: str | None = None
    has_days: bool = False


def study_columns(table: Table, names: Mapping[str, str], entity: Entity, given: Mapping[str, Any]) -> Columns:
    """Return the proposed columns and settings.

    A column is text unless all of its values have one other type: decimal, date (or time) or boolean. Keys stay text,
    and so do whole numbers, because they may be codes. A declared type takes precedence, except for keys.

    Args:
        names: the SQL of each column by its name.
        given: the declared settings.
    """
    found = Columns()
    declared: dict[str, str] = dict(given.get("columns") or {})
    keys = set(given.get("keys") or ())
    studied: dict[str, Numbers | Days] = {}
    for one, shares in _fields(table, names):
        if one.name in keys:
            found.columns.append(Column(one.name, "string", "key", one.filled))
            continue
        result = None if declared.get(one.name) in ("string", "boolean") else _study(table, one, shares, entity, given)
        if isinstance(result, Open) and not (one.name in declared and result.setting.startswith("column ")):
            found.open.append(result)
        if isinstance(result, Numbers | Days):
            studied[one.name] = result
        kind, decided = _type(one, shares, result)
        if one.name in declared:
            kind, decided = declared[one.name], "declared"
        elif kind == "string" and one.filled and shares["whole"] == one.filled and not shares["zeros"]:
            found.notes.append(f"column {one.name} has only whole numbers and is loaded as text, as it may be a code; "
                               f"to calculate with it, declare it as integer or decimal")  # fmt: skip
        elif kind == "string" and one.filled and shares["percent"] == one.filled:
            found.notes.append(f"column {one.name} has percentages and is loaded as text; to calculate with it, "
                               'declare it as decimal, and set currency_signs to ["%"] to read 12 % as 12')  # fmt: skip
        found.columns.append(Column(one.name, kind, decided, one.filled))
    _merge_numbers(found, [one for one in studied.values() if isinstance(one, Numbers)], given)
    _merge_days(found, {name: one for name, one in studied.items() if isinstance(one, Days)}, given)
    return found


def _fields(table: Table, names: Mapping[str, str]) -> list[tuple[Field, dict[str, int]]]:
    """Return each column with the number of its values that look like a number, a day, and so on."""
    tests = {"number": _NUMBER, "day": _DAY, "whole": _WHOLE, "zeros": "0[0-9].*", "percent": _PERCENT}
    tests |= {words[0]: f"(?i){'|'.join(words)}" for words in _BOOLEANS}
    wanted = []
    for sql in names.values():
        text = f"nullif(trim({sql}), '')"
        wanted += [f"count({text})"]
        wanted += [f"count(*) FILTER (regexp_full_match({text}, {literal(test)}))" for test in tests.values()]
    counts = table.values(*wanted)
    width = len(tests) + 1
    return [
        (Field(name, sql, counts[at * width]), dict(zip(tests, counts[at * width + 1 : (at + 1) * width], strict=True)))
        for at, (name, sql) in enumerate(names.items())
    ]


def _study(
    table: Table, one: Field, shares: Mapping[str, int], entity: Entity, given: Mapping[str, Any]
) -> Numbers | Days | Open | None:
    form = entity.format
    if one.filled and shares["day"] * 2 >= one.filled:
        found = days.study(table, one, form.dates, bool(given.get("date_formats")))
        if found:
            return found
    if one.filled and shares["number"] * 2 >= one.filled and shares["whole"] < one.filled:
        return numbers.study(table, one, form.numbers)
    return None


def _type(one: Field, shares: Mapping[str, int], result: Numbers | Days | Open | None) -> tuple[str, str]:
    if isinstance(result, Numbers):
        return "decimal", result.decided
    if isinstance(result, Days):
        return result.kind, result.decided
    if one.filled and any(shares[words[0]] == one.filled for words in _BOOLEANS):
        return "boolean", "only such words"
    return "string", "text as in the file" if one.filled else "no values"


def _merge_numbers(found: Columns, studied: list[Numbers], given: Mapping[str, Any]) -> None:
    """Add the currency signs and forms of negatives of all number columns to the settings.

    Add the decimal separator only if it is the same in all of these columns. In this case, also add the thousands
    separator if exactly one occurs in them.
    """
    if not studied:
        return
    points = {one.decimal for one in studied}
    groups = {one.thousands for one in studied if one.thousands}
    found.decimal = points.pop() if len(points) == 1 else None
    found.thousands = groups.pop() if len(groups) == 1 and found.decimal else None
    own: dict[str, Any] = {"decimal": found.decimal, "thousands": found.thousands}
    for name in ("currency_signs", "negatives"):
        own[name] = list(dict.fromkeys(value for one in studied for value in one.settings.get(name, ())))
    found.settings |= {name: value for name, value in own.items() if value and name not in given}


def _merge_days(found: Columns, studied: Mapping[str, Days], given: Mapping[str, Any]) -> None:
    """Add the day formats of all columns to the settings; add questions if they conflict or need a time zone."""
    found.has_days = bool(studied)
    formats = list(dict.fromkeys(form for one in studied.values() for form in one.formats))
    try:
        check_formats(tuple(formats or [ISO]))
    except TapError:
        names = ", ".join(studied)
        last = list(studied)[-1]
        text = Option({"columns": {last: "string"}}, "text as in the file")
        found.open.append(Open(f"column {last}", f"the columns {names} have days in different orders", (text,)))
        formats = []
    if formats and formats != [ISO] and "date_formats" not in given:
        found.settings["date_formats"] = formats
    offsets = [name for name, one in studied.items() if one.has_offset]
    if offsets and "timezone" not in given:
        why = f"the times of {', '.join(offsets)} have an offset; in which time zone are they loaded?"
        example = Option({"timezone": "Europe/Berlin"}, "or another name of the time zone database")
        found.open.append(Open("timezone", why, (Option({"timezone": "UTC"}, "coordinated universal time"), example)))

"""Determine whether a column holds days or times, and in which formats, by the same rules as the tap."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from itertools import product
from typing import Any

from tap_csv.dates import ISO, DateRules, is_plausible, moment, pattern
from tap_csv.inspection.model import Open, Option
from tap_csv.inspection.table import Field, Table
from tap_csv.sql import literal

_SAMPLE = 2000
_MOST_SHAPES = 8
_MOST_OPTIONS = 6
_ORDERS = ("dmY", "mdY", "Ymd", "dmy", "mdy", "ymd", "dbY", "dby", "dBY", "dBy", "bdY", "BdY", "Ybd")
_JOINTS = (".", "/", "-", " ", ". ", ", ")
_CLOCKS = ("", "%H:%M", "%H:%M:%S", "%I:%M %p", "%I:%M:%S %p", "%I:%M%p", "%H:%M:%S.%f")
_GLUES = (" ", ", ", "T")


@dataclass(frozen=True)
class Days:
    """The formats of a column of days, its type `kind` (`date` or `datetime`), and whether its times have an offset."""

    formats: tuple[str, ...]
    kind: str
    decided: str
    has_offset: bool = False


def study(table: Table, field: Field, given: DateRules, declared: bool) -> Days | Open | None:
    """Return how the column's days are written, an `Open` question, or None for a column of texts.

    Args:
        declared: whether the formats of `given` are declared; if so, no other formats are tried.
    """
    shapes = _shapes(table, field)
    if not shapes:
        return None
    fitting = {
        shape: [form for form in (given.formats if declared else _formats(values)) if _reads(form, values)]
        for shape, values in shapes.items()
    }
    fitting = {shape: _different(_possible(table, field, forms, shape, given)) for shape, forms in fitting.items()}
    known = [shape for shape, forms in fitting.items() if forms]
    if not known:
        return None
    if len(known) < len(shapes):
        other = f"{_shape(field)} NOT IN ({', '.join(literal(shape) for shape in known)})"
        return _exceptions(table, field, other, _sets(fitting[shape] for shape in known))
    sets = _sets(fitting.values())
    if len(sets) > 1:
        why = f"column {field.name}: the order of day, month and year is not known, {table.shown(field, 'true')}"
        return Open("date_formats", why, tuple(_option(table, field, forms, given) for forms in sets))
    rules = replace(given, formats=sets[0])
    kind, offset = _kind(table, field, rules)
    return Days(sets[0], kind, table.shown(field, _proves_order(field, sets[0])), offset)


def _shapes(table: Table, field: Field) -> dict[str, list[str]]:
    """Return sample values by their shape (`24.12.2026` has `9.9.9`); empty if the values have too many shapes."""
    shapes = table.distinct(_shape(field), _MOST_SHAPES + 1)
    if len(shapes) > _MOST_SHAPES:
        return {}
    return {
        shape: table.sample(replace(field, sql=f"CASE WHEN {_shape(field)} = {literal(shape)} THEN {field.sql} END"),
                            _SAMPLE)
        for shape in shapes
    }  # fmt: skip


def _shape(field: Field) -> str:
    text = f"nullif(trim({field.sql}), '')"
    return f"regexp_replace(regexp_replace({text}, '[0-9]+', '9', 'g'), '[A-Za-z]+', 'A', 'g')"


def _formats(values: list[str]) -> list[str]:
    """Return `iso`, and those of the usual formats that have the same separators as the first value."""
    found = [ISO]
    value = values[0]
    for order, joint in product(_ORDERS, _JOINTS):
        day = joint.join(f"%{part}" for part in order)
        if order[0] in "bB" and joint == " ":
            found += _with_clocks(f"%{order[0]} %d, %{order[2]}", value)
        found += _with_clocks(day, value)
    return found


def _with_clocks(day: str, value: str) -> list[str]:
    texts = [day] + [f"{day}{glue}{clock}" for glue, clock in product(_GLUES, _CLOCKS[1:])]
    marks = re.sub(r"[\dA-Za-z]+", "", value)
    return [text for text in texts if re.sub(r"%[A-Za-z]|T", "", text).split() == marks.split()
            or re.sub(r"%[A-Za-z]|T", "", text) == marks]  # fmt: skip


def _reads(form: str, values: list[str]) -> bool:
    return all(re.fullmatch(pattern(form), value) for value in values)


def _possible(table: Table, field: Field, forms: list[str], shape: str, given: DateRules) -> list[str]:
    """Return the formats that read every value of a shape as a plausible day.

    The bounds of plausible days do not decide the order of day and month: a format that differs from a returned one
    only in this order is returned too if it reads every value.
    """
    plausible = [form for form in forms if _plausible(table, field, form, shape, given)]
    unbounded = replace(given, earliest=date.min, latest=date.max)
    return [
        form
        for form in forms
        if form in plausible or (_swapped(form) in plausible and _plausible(table, field, form, shape, unbounded))
    ]


def _swapped(form: str) -> str:
    return re.sub("%[dm]", lambda part: {"%d": "%m", "%m": "%d"}[part[0]], form)


def _plausible(table: Table, field: Field, form: str, shape: str, given: DateRules) -> bool:
    """Return whether a format reads every value of a shape as a plausible day."""
    rules = replace(given, formats=(form,))
    bad = f"{_shape(field)} = {literal(shape)} AND NOT coalesce({is_plausible(moment(field.sql, rules), rules)}, false)"
    return bool(table.values(f"count(*) FILTER ({bad})") == (0,))


def _different(forms: list[str]) -> list[str]:
    """Drop formats that read the same days as another format.

    If `iso` fits, drop all other formats. Of two formats that differ only in `%b` and `%B`, drop the second format.
    """
    if ISO in forms:
        return [ISO]
    return list({form.replace("%B", "%b"): form for form in reversed(forms)}.values())[::-1]


def _sets(fitting: Iterable[list[str]]) -> list[tuple[str, ...]]:
    """Return at most `_MOST_OPTIONS` combinations of one format per shape.

    Sort them by the number of different orders of day, month and year in their formats, the lowest number first.
    """
    found = dict.fromkeys(tuple(dict.fromkeys(forms)) for forms in product(*fitting))
    return sorted(found, key=lambda forms: len({_order(form) for form in forms} - {""}))[:_MOST_OPTIONS]


def _order(form: str) -> str:
    """Return the order of day, month and year in a format, such as `dmy`; `""` if the month is written as a name."""
    parts = re.findall("%([dmyY])", form)
    return "".join(parts).lower() if len(parts) == 3 else ""


def _option(table: Table, field: Field, forms: tuple[str, ...], given: DateRules) -> Option:
    rules = replace(given, formats=forms)
    meaning = table.example(field, f"{field.sql} IS NOT NULL", f"CAST({moment(field.sql, rules)} AS DATE)")
    return Option({"date_formats": list(forms), "columns": {field.name: _kind(table, field, rules)[0]}}, meaning)


def _exceptions(table: Table, field: Field, other: str, sets: list[tuple[str, ...]]) -> Open | None:
    """Ask how to load a column in which at least half of the values, but not all, are days; else return None."""
    count = table.counts(field, {"other": other})["other"]
    if count * 2 > field.filled:
        return None
    options: list[Option] = []
    for forms in sets:
        settings: dict[str, Any] = {"date_formats": list(forms), "columns": {field.name: "date"}}
        options.append(Option(settings, f"the other {count} rows are quarantined"))
    text = Option({"columns": {field.name: "string"}}, "text as in the file")
    return Open(f"column {field.name}", f"days, except {table.shown(field, other)}", (*options, text))


def _kind(table: Table, field: Field, rules: DateRules) -> tuple[str, bool]:
    """Return `date` if no value has a time, else `datetime`; and whether a time has an offset."""
    clock = f"regexp_matches({field.sql}, '[0-9]:[0-9]')"
    offset = f"regexp_matches({field.sql}, '[0-9]:[0-9].*(Z|[+-][0-9:]+)$')"
    counts = table.counts(field, {"clock": clock, "offset": offset})
    return ("datetime" if counts["clock"] else "date"), bool(counts["offset"])


def _proves_order(field: Field, forms: tuple[str, ...]) -> str:
    """Return an SQL condition: the value proves the order of day and month, because one of its numbers is above 12.

    The condition is always true if the formats begin with the year or have the month as a name.
    """
    if all(_order(form) in ("", "ymd") for form in forms):
        return "true"
    return f"regexp_matches({field.sql}, '(^|[^0-9])(1[3-9]|[23][0-9])[^0-9:]')"

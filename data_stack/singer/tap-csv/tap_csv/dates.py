"""Build SQL that reads days and times in declared formats, for a whole column at once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime

import duckdb

from tap_csv.errors import TapError
from tap_csv.sql import INVISIBLE, literal

ISO = "iso"

_DATE = "[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_CLOCK = "([01][0-9]|2[0-3]):[0-5][0-9]"
_SECONDS = "(:[0-5][0-9]([.][0-9]{1,9})?)?"
_OFFSET = "(Z|[+-](0[0-9]|1[0-4])(:?[0-5][0-9])?)"
_LOCAL = f"{_DATE}[T ]{_CLOCK}{_SECONDS}"

_DIRECTIVES = {
    "Y": "[0-9]{4}", "y": "[0-9]{2}", "m": "(0?[1-9]|1[0-2])", "d": "(0?[1-9]|[12][0-9]|3[01])",
    "b": "[A-Za-z]{3}", "B": "[A-Za-z]{3,9}", "H": "([01]?[0-9]|2[0-3])", "I": "(0?[1-9]|1[0-2])", "M": "[0-5][0-9]",
    "S": "[0-5][0-9]", "f": "[0-9]{1,6}", "p": "(?i:am|pm)", "z": "(Z|[+-](0[0-9]|1[0-4]):?[0-5][0-9])",
}  # fmt: skip
"""Allowed directives of strptime and the regular expression of each. Years must have their full length, because DuckDB
would read `05/01/26` with `%d/%m/%Y` as a day of the year 26."""

_SPACES = "\u00a0\u2009\u202f"
"""No-break and thin spaces, which some programs write before AM and PM; a space in a format also matches them."""
_PADDED = {"m": "(0[1-9]|1[0-2])", "d": "(0[1-9]|[12][0-9]|3[01])", "H": "([01][0-9]|2[0-3])", "I": "(0[1-9]|1[0-2])"}
"""Regular expressions of directives directly before or after another directive, as in `%Y%m%d`; they require two
digits."""


@dataclass(frozen=True)
class DateRules:
    """Settings to read days and times; each of `formats` is `iso` or a format of strptime."""

    formats: tuple[str, ...]
    timezone: str
    earliest: date
    latest: date


def check_formats(formats: tuple[str, ...]) -> None:
    """Check that each format has year, month and day once, and that no two formats fit the same text.

    Raises:
        TapError: a format is invalid, or two formats conflict.
    """
    if not formats:
        raise TapError("setting date_formats is empty; name at least one format, for example iso")
    for text in formats:
        _check(text)
    for index, one in enumerate(formats):
        for other in formats[index + 1 :]:
            if _same_texts(one, other):
                raise TapError(f"setting date_formats: {one!r} and {other!r} read the same texts as different days")


def _check(text: str) -> None:
    if text == ISO:
        return
    found = re.findall(r"%(.?)", text)
    unknown = [name for name in found if name not in _DIRECTIVES]
    if unknown:
        known = ", ".join(f"%{name}" for name in _DIRECTIVES)
        raise TapError(f"setting date_formats: {text!r} contains %{unknown[0]}, which is not one of {known}")
    if len(set(found)) != len(found) or not ({"Y", "y"} & set(found) and {"m", "b", "B"} & set(found) and "d" in found):
        raise TapError(f"setting date_formats: {text!r} does not name year, month and day once each")
    if ("I" in found) != ("p" in found):
        raise TapError(f"setting date_formats: {text!r} must have both %I and %p, or use %H")


def _same_texts(one: str, other: str) -> bool:
    """Return whether a sample text of one format also fits the other format."""
    return any(re.fullmatch(pattern(two), sample) for a, two in ((one, other), (other, one)) for sample in _samples(a))


def _samples(text: str) -> list[str]:
    if text == ISO:
        return ["2026-01-02", "2026-01-02 03:04:05", "2026-01-02T03:04:05+01:00"]
    spelled = text.replace("%z", "+0100")
    days = (datetime(2026, 1, 2, 3, 4, 5), datetime(2012, 11, 10, 11, 12, 13))  # noqa: DTZ001
    padded = [day.strftime(spelled) for day in days]
    return [*padded, re.sub(r"(?<![0-9])0(?=[0-9])", "", padded[0])]


def pattern(text: str) -> str:
    """Return the regular expression of a format, for Python and DuckDB."""
    if text == ISO:
        return f"{_DATE}|{_LOCAL}{_OFFSET}?"
    parts = re.split(r"%(.)", text)
    # Directives without text between them match only padded numbers, because the month in 2026115 could be 1 or 11.
    joints = [at for at in range(2, len(parts) - 1, 2) if not parts[at]]
    beside = {at + step for at in joints for step in (-1, 1) if parts[at - step] not in "bBpz"}
    return "".join(
        (_PADDED if at in beside else _DIRECTIVES).get(part, _DIRECTIVES[part]) if at % 2 else re.escape(part)
        for at, part in enumerate(parts)
    )


def names_utc(text: str) -> bool:
    """Return whether a format ends with a time in UTC, such as `%H:%M:%S UTC` or `%H:%M:%SZ`."""
    *before, end = re.split("%[a-zA-Z]", text)
    return bool(before) and ("%H" in text or "%I" in text) and end.strip(" ()").upper() in ("Z", "UTC", "GMT")


def is_plain_day(column: str, rules: DateRules) -> str:
    """Return a fast SQL condition: the text is a day like `2026-12-31`, between the earliest and the latest date.

    The condition is always false if `iso` is not one of the declared formats.
    """
    if ISO not in rules.formats:
        return "false"
    # Also check the length, because DuckDB casts the text `infinity` to a date and back to the same text.
    return (
        f"(strlen({column}) = 10 AND coalesce(CAST(TRY_CAST({column} AS DATE) AS VARCHAR) = {column}, false) "
        f"AND {column} BETWEEN '{rules.earliest}' AND '{rules.latest}')"
    )


def moment(column: str, rules: DateRules) -> str:
    """Return SQL that reads the text as a TIMESTAMP in the declared time zone; NULL if no format fits."""
    text = f"trim({column})"
    cases = " ".join(_case(text, form, rules.timezone) for form in rules.formats)
    return f"CASE {cases} END"


def _case(text: str, form: str, zone: str) -> str:
    def fits(expression: str) -> str:
        return f"regexp_full_match({text}, {literal(expression)})"

    def local(instant: str) -> str:
        return f"timezone({literal(zone)}, {instant})"

    if form != ISO:
        form = re.sub(f"[{_SPACES}]", " ", form)
        text = f"translate({text}, {literal(_SPACES)}, {literal(' ' * len(_SPACES))})"
        # Replace Z by +00:00, because the directive %z of DuckDB does not accept Z.
        given = f"regexp_replace({text}, 'Z([^A-Za-z]*)$', '+00:00\\1')" if "%z" in form else text
        read = f"try_strptime({given}, {literal(form)})"
        if names_utc(form):
            read = local(f"timezone('UTC', {read})")
        elif "%z" in form:
            read = local(read)
        return f"WHEN {fits(pattern(form))} THEN {read}"
    # Add seconds to a time without them, because DuckDB requires seconds before an offset.
    whole = f"regexp_replace({text}, '^(.{{10}})[T ](.{{5}})([Z+-])', '\\1 \\2:00\\3')"
    return (
        f"WHEN {fits(f'{_DATE}|{_LOCAL}')} THEN TRY_CAST({text} AS TIMESTAMP) "
        f"WHEN {fits(_LOCAL + _OFFSET)} THEN {local(f'TRY_CAST({whole} AS TIMESTAMPTZ)')}"
    )


def is_plausible(moment_column: str, rules: DateRules) -> str:
    """Return an SQL condition: the TIMESTAMP is between the earliest and the latest date."""
    return f"(CAST({moment_column} AS DATE) BETWEEN DATE '{rules.earliest}' AND DATE '{rules.latest}')"


def why_not(name: str, column: str, moment_column: str, kind: str, rules: DateRules) -> str:
    """Return SQL for the reason why the text is not a plausible day or time, and for what to declare or correct."""
    text = f"trim({column})"
    begin = f"'column ' || {literal(name)} || ': ''' || left({text}, 40) || ''' ' || "
    cases = {f"{moment_column} IS NOT NULL": begin + literal(
        f"is before {rules.earliest} or after {rules.latest}; if it is correct, set earliest_date or latest_date"
    )}  # fmt: skip
    cases[f"regexp_matches({text}, {literal(INVISIBLE)})"] = begin + literal("has an invisible character; remove it")
    nothing = literal("0{4}-.*|[0-9]{4}-[0-9]{2}-00.*|00?[./]00?[./]0+")
    cases[f"regexp_full_match({text}, {nothing})"] = begin + literal(
        "is not a date; if it stands for no value, declare it in null_words"
    )
    serial = literal("[0-9]{5}([.][0-9]+)?|[0-9]{10}|[0-9]{13}")
    cases[f"regexp_full_match({text}, {serial})"] = begin + literal(
        "is a serial number or a number of seconds; export it as a date like 2026-12-31"
    )
    # Leave out formats with a month's name, because their pattern accepts any word as the month.
    exact = [form for form in rules.formats if not re.search("%[bB]", form)]
    fits = " OR ".join(f"regexp_full_match({text}, {literal(pattern(form))})" for form in exact)
    cases[fits or "false"] = begin + literal("is not a date of the calendar; correct the file")
    if rules.formats == (ISO,):
        numbers = "[0-9]{1,2}([./-])[0-9]{1,2}([./-])"
        first, second = (f"regexp_extract({text}, '{numbers}', {group})" for group in (1, 2))
        order = f"""'["%d' || {first} || '%m' || {second} || """
        advice = "declare the order of the numbers, for example date_formats: "
        years = literal(f"is not like 2026-12-31 and has a year of two digits; {advice}")
        months = literal(f"is not like 2026-12-31 and does not show which number is the month; {advice}")
        cases[f"regexp_full_match({text}, '{numbers}[0-9]{{2}}( .*)?')"] = f"{begin} {years} || {order} '%y\"]'"
        cases[f"regexp_full_match({text}, '{numbers}[0-9]{{4}}( .*)?')"] = f"{begin} {months} || {order} '%Y\"]'"
    what = "date" if kind == "date" else "date or time"
    other = literal(
        f"is not a {what} like 2026-12-31; declare its format in date_formats"
        if rules.formats == (ISO,)
        else f"does not fit date_formats {', '.join(rules.formats)}; declare its format in date_formats"
    )
    return f"CASE {' '.join(f'WHEN {test} THEN {why}' for test, why in cases.items())} ELSE {begin} {other} END"


def check_timezone(name: str) -> None:
    """Check that `name` is in the IANA time zone database.

    Raises:
        TapError: there is no such time zone.
    """
    try:
        duckdb.execute("SELECT timezone(?, TIMESTAMPTZ '2026-01-01 00:00:00+00')", [name]).fetchall()
    except duckdb.Error:
        raise TapError(f"setting timezone is not a time zone: {name!r}; an example is Europe/Berlin") from None

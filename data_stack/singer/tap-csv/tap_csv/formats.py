"""Read the format settings of an entity's files; each setting can be declared for all entities or for one entity."""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import duckdb
from singer_sdk import typing as th

from tap_csv.amounts import MINUSES, SIDES, NumberRules
from tap_csv.dates import ISO, DateRules, check_formats, check_timezone
from tap_csv.errors import TapError

DELIMITERS = (",", ";", "\t", "|")
"""The candidates of `delimiter: auto`."""
EARLIEST = date(1970, 1, 1)
YEARS_AHEAD = 2

_TEXTS = th.ArrayType(th.StringType)

FORMAT_PROPERTIES = (
    th.Property("delimiter", th.StringType, description="One character, or auto: one of , ; tab |"),
    th.Property("quotechar", th.StringType, description="Character around fields, doubled inside them."),
    th.Property("encoding", th.StringType, description="Encoding of the files."),
    th.Property("skip_rows", th.CustomType({"type": ["integer", "string"]}), description="Lines above the header."),
    th.Property("header_match", th.StringType, description="exact, or loose to ignore case and spaces."),
    th.Property("row_end", th.StringType, description="exact, or delimiter if only rows end with one."),
    th.Property(
        "ignore_rows", _TEXTS, description="Regular expressions; rows whose first filled field matches are ignored."
    ),
    th.Property("null_words", _TEXTS, description="Values to read as null."),
    th.Property("decimal", th.StringType, description="Decimal separator: point or comma."),
    th.Property("thousands", th.StringType, description="Thousands separator, or none."),
    th.Property("currency_signs", _TEXTS, description="Signs to remove before or after a number."),
    th.Property("negatives", _TEXTS, description="Other forms of negative numbers: parentheses, trailing_minus."),
    th.Property("date_formats", _TEXTS, description="iso, or formats of strptime."),
    th.Property("timezone", th.StringType, description="Time zone to which times with an offset are converted."),
    th.Property("earliest_date", th.StringType, description="Earliest valid day."),
    th.Property("latest_date", th.StringType, description="Latest valid day."),
)
FORMAT_NAMES = tuple(prop.name for prop in FORMAT_PROPERTIES)


@dataclass(frozen=True)
class Format:
    """Checked format settings.

    If `delimiter` or `skip_rows` is None, it is detected from the header of each file. If `ignore_rows` is None, total
    rows are detected. If `ends_with_delimiter`, each row ends with a delimiter that the header lacks.
    """

    delimiter: str | None = None
    quote: str = '"'
    encoding: str = "utf-8"
    skip_rows: int | None = None
    loose_header: bool = False
    ends_with_delimiter: bool = False
    ignore_rows: tuple[str, ...] | None = None
    null_words: tuple[str, ...] = ()
    numbers: NumberRules = field(default_factory=NumberRules)
    dates: DateRules = field(default_factory=lambda: DateRules((ISO,), "UTC", EARLIEST, date(2100, 1, 1)))


def read_format(given: Mapping[str, Any]) -> Format:
    """Check and return the format settings of an entity.

    Args:
        given: the settings of the entity, merged with those for all entities; its own settings take precedence.
    Raises:
        TapError: a setting is invalid; the message names the setting and the reason.
    """
    words = texts(given, "null_words")
    ignored = texts(given, "ignore_rows") if given.get("ignore_rows") is not None else None
    for expression in ignored or ():
        _check_expression(expression)
    delimiter, quote = _characters(given)
    is_loose = choice(given, "header_match", ("exact", "loose")) == "loose"
    ends_with_delimiter = choice(given, "row_end", ("exact", "delimiter")) == "delimiter"
    return Format(
        delimiter, quote, _encoding(given), _skip_rows(given), is_loose, ends_with_delimiter, ignored,
        tuple(word.strip() for word in words), _numbers(given), _dates(given),
    )  # fmt: skip


def texts(given: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """Return a setting that is a list of texts.

    Raises:
        TapError: the value is not a list of texts.
    """
    value = given.get(name) or ()
    if not isinstance(value, list | tuple) or not all(isinstance(text, str) for text in value):
        raise TapError(f"setting {name} must be a list of texts, not {value!r}")
    return tuple(value)


def choice(given: Mapping[str, Any], name: str, known: tuple[str, ...]) -> str:
    """Return a setting that is one of the words in `known`; the first word is the default.

    Raises:
        TapError: the value is another word.
    """
    value = given.get(name)
    if value is None:
        return known[0]
    if value not in known:
        raise TapError(f"setting {name} is {value!r}, which is not one of {', '.join(known)}")
    return str(value)


def _characters(given: Mapping[str, Any]) -> tuple[str | None, str]:
    delimiter = str(given.get("delimiter") or "auto")
    quote = str(given["quotechar"]) if given.get("quotechar") is not None else '"'
    found = None if delimiter == "auto" else {"\\t": "\t", "tab": "\t"}.get(delimiter, delimiter)
    for name, value in (("delimiter", found), ("quotechar", quote)):
        if value is not None and (len(value) != 1 or not value.isascii() or value in "\r\n\0"):
            raise TapError(f"setting {name} must be one ASCII character, not {value!r}")
    if quote == found:
        raise TapError("settings delimiter and quotechar are the same character")
    return found, quote


def _encoding(given: Mapping[str, Any]) -> str:
    name = str(given.get("encoding") or "utf-8")
    try:
        if not codecs.lookup(name)._is_text_encoding:
            raise LookupError
    except (LookupError, ValueError):
        raise TapError(f"setting encoding is not a known encoding: {name!r}") from None
    return name


def _skip_rows(given: Mapping[str, Any]) -> int | None:
    value = given.get("skip_rows")
    if value is None or value == "auto":
        return None
    if isinstance(value, str) and value.isdecimal():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 10_000:
        raise TapError(f"setting skip_rows must be auto or a number of lines up to 10000, not {value!r}")
    return value


def _check_expression(expression: str) -> None:
    try:
        duckdb.execute("SELECT regexp_matches('', ?)", [expression]).fetchall()
    except duckdb.Error as error:
        raise TapError(
            f"setting ignore_rows: {expression!r} is not a regular expression: {_first_line(error)}"
        ) from None
    if duckdb.execute("SELECT regexp_matches('', ?)", [expression]).fetchall() == [(True,)]:
        raise TapError(f"setting ignore_rows: {expression!r} matches every row")


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]


def _numbers(given: Mapping[str, Any]) -> NumberRules:
    decimal, thousands = given.get("decimal"), given.get("thousands")
    if decimal not in (None, ".", ","):
        raise TapError(f"setting decimal must be . or ,, not {decimal!r}")
    if isinstance(thousands, str):
        thousands = {"none": "", "\u2019": "'", "\u00a0": " ", "\u202f": " ", "\u2009": " "}.get(thousands, thousands)
    if thousands not in (None, "", ".", ",", "'", " "):
        raise TapError(f"setting thousands must be one of . , ' a space or none, not {thousands!r}")
    if decimal and decimal == thousands:
        raise TapError("settings decimal and thousands are the same character")
    signs = _currency_signs(given)
    forms = texts(given, "negatives")
    unknown = set(forms) - {"parentheses", "trailing_minus"}
    if unknown:
        raise TapError(f"setting negatives contains {unknown.pop()!r}, which is not one of parentheses, trailing_minus")
    return NumberRules(decimal, thousands, signs, "parentheses" in forms, "trailing_minus" in forms)


def _currency_signs(given: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the currency signs; refuse those whose removal would change an amount."""
    signs = tuple(sign.strip() for sign in texts(given, "currency_signs"))
    for sign in signs:
        # `500:-` and `500/-` are whole amounts, so these two signs do not stand for minus.
        if re.search(f"(?<![:/])[{re.escape(MINUSES)}]", sign):
            raise TapError(f"setting currency_signs contains {sign!r}, which stands for minus and would be removed")
        if not sign or sign[0].isdigit() or sign[0] in "+().,":
            raise TapError(f"setting currency_signs contains {sign!r}, which is not a currency sign")
        if sign.lower().rstrip(".") in SIDES:
            raise TapError(
                f"setting currency_signs contains {sign!r}, which means debit or credit and would be removed"
            )
    return signs


def _dates(given: Mapping[str, Any]) -> DateRules:
    formats = texts(given, "date_formats") if given.get("date_formats") is not None else (ISO,)
    check_formats(formats)
    zone = str(given.get("timezone") or "UTC")
    check_timezone(zone)
    today = datetime.now(UTC).date()
    leap = (today.month, today.day) == (2, 29)
    ahead = today.replace(year=today.year + YEARS_AHEAD, day=28 if leap else today.day)
    earliest, latest = _day(given, "earliest_date", EARLIEST), _day(given, "latest_date", ahead)
    if earliest > latest:
        raise TapError(f"setting earliest_date {earliest} is after latest_date {latest}")
    return DateRules(formats, zone, earliest, latest)


def _day(given: Mapping[str, Any], name: str, default: date) -> date:
    value = given.get(name)
    if value is None:
        return default
    try:
        return value if isinstance(value, date) else date.fromisoformat(str(value))
    except ValueError:
        raise TapError(f"setting {name} must be a date like 2026-12-31, not {value!r}") from None

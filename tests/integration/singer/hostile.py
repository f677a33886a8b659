"""Define hostile CSV files (of unusual or wrong content), and for each the rows to publish and the expected messages.

`rows` are all published rows, as `{id: (day, amount, currency)}`. `bad` is the number of quarantined rows, or None if
the file is refused. Each regular expression in `messages` must match a reason of a quarantined row or of the refusal.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

HEADER = "id,date,customer_id,amount,currency,category,description"
DAY = "2026-01-05"

Rows = dict[str, tuple[str | None, Decimal | None, str | None]]


@dataclass(frozen=True)
class Hostile:
    content: bytes
    rows: Rows
    bad: int | None = 0
    messages: tuple[str, ...] = ()


def _text(*rows: str, header: str = HEADER, end: str = "\n") -> bytes:
    return end.join((header, *rows, "")).encode()


def _amounts(messages: tuple[str, ...], values: dict[str, str | None], delimiter: str = ";") -> Hostile:
    """Return a file with a row for each key of `values`, which is an amount as it stands in the file.

    The value is the number that must be loaded, or None if the row must be quarantined.
    """
    lines = [delimiter.join((f"r{n}", DAY, "C1", text, "EUR", "x", "y")) for n, text in enumerate(values)]
    rows: Rows = {f"r{n}": (DAY, Decimal(value), "EUR") for n, value in enumerate(values.values()) if value is not None}
    return Hostile(_text(*lines, header=HEADER.replace(",", delimiter)), rows, len(values) - len(rows), messages)


def _days(messages: tuple[str, ...], values: dict[str, str | None]) -> Hostile:
    """Return a file with a row for each day; a value of None means that the row must be quarantined."""
    lines = [f"r{n};{text};C1;5;EUR;x;y" for n, text in enumerate(values)]
    rows: Rows = {f"r{n}": (day, Decimal(5), "EUR") for n, day in enumerate(values.values()) if day is not None}
    return Hostile(_text(*lines, header=HEADER.replace(",", ";")), rows, len(values) - len(rows), messages)


def _bad(*values: str) -> dict[str, str | None]:
    return dict.fromkeys(values)


def _fives(*ids: str) -> Rows:
    return {name: (DAY, Decimal(5), "EUR") for name in ids}


def _five(name: str) -> str:
    return f"{name},{DAY},C1,5,EUR,x,y"


def _footer(*rows: str, message: str = "total row") -> Hostile:
    return Hostile(_text(_five("a"), _five("b"), *rows), _fives("a", "b"), len(rows), (message,))


_BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"
_ARABIC = "\N{ARABIC-INDIC DIGIT ONE}\N{ARABIC-INDIC DIGIT TWO}"
_THIN, _CURLY, _EN_DASH = "\N{NARROW NO-BREAK SPACE}", "\N{RIGHT SINGLE QUOTATION MARK}", "\N{EN DASH}"

HOSTILE = {
    # numbers
    "swiss_apostrophes": _amounts(
        (), {"1'234.50": "1234.5", "12'345'678.90": "12345678.9", f"7{_CURLY}000.00": "7000"}
    ),
    "indian_lakhs": _amounts((), {"12,34,567.89": "1234567.89", "1,00,000.00": "100000", "5.00": "5"}),
    "thin_spaces": _amounts(
        (), {f"1{_THIN}234,56": "1234.56", f"12{_THIN}345{_THIN}678,90": "12345678.9", "5,00": "5"}
    ),
    "spaces_that_group_nothing": _amounts(("thousands",), {"1 234": "1234", **_bad("1 23", "12 34 567")}),
    "percent_signs": _amounts(("currency_signs",), {"3.00": "3", **_bad("5%", "10.5 %")}),
    "accounting_negatives": _amounts(
        ("negatives: .parentheses", "negatives: .trailing_minus", "debit or credit"),
        {"-5.00": "-5", "- 6.00": "-6", "+5.00": "5", **_bad("(5.00)", "5.00-", "5.00 DR", "5.00 CR", f"{_EN_DASH}5")},
    ),
    "currency_codes": _amounts(
        ("currency_signs",),
        {"5.00": "5", **_bad("EUR 5.00", "5.00 EUR", "US$5.00", "\N{EURO SIGN}5", "5 \N{YEN SIGN}")},
    ),
    "other_digits": _amounts(
        ("not a number",), {"5.00": "5", **_bad(_ARABIC, "\N{FULLWIDTH DIGIT ONE}", "\N{SUPERSCRIPT TWO}")}
    ),
    "no_numbers": _amounts(
        ("not a number", "null_words"),
        {
            "5.00": "5",
            **_bad("NaN", "inf", "-Infinity", "1_000", "0x10", "0b11", "1e400", "true", "N/A", "1/2", "1:30"),
        },
    ),
    "scientific": _amounts((), {"1e3": "1000", "1.5E+2": "150", "2.5e-3": "0.0025", "-0": "0", "00012": "12"}),
    "spreadsheet_formulas": _amounts(("not a number",), {"5.00": "5", **_bad("='5.00", "'5.00", "#REF!")}),
    "too_many_digits": _amounts(
        ("more than 20 digits",),
        {
            "12345678901234567890.123456789012345678": "12345678901234567890.123456789012345678",
            **_bad("123456789012345678901", "0.1234567890123456789"),
        },
    ),
    "both_conventions": _amounts(("commas and decimal points",), {"7": "7", "1.5": "1.5", **_bad("1,5", "1.234,5")}),
    "ambiguous": _amounts(("ambiguous",), {"500": "500", **_bad("1.234", "22.345")}),
    "tabs": _amounts((), {"1.50": "1.5", "2,345.00": "2345"}, "\t"),
    "pipes": _amounts((), {"1.50": "1.5", "2,345.00": "2345"}, "|"),
    # days and times
    "us_order": _days(("which number is the month",), {DAY: DAY, **_bad("01/02/2026", "12/31/2026")}),
    "other_days": _days(
        ("date_formats", "before 1970"),
        {
            DAY: DAY,
            **_bad("2026-1-5", "20260105", "5 Jan 2026", "2026-02-30", "46027", "infinity", "today", "1899-12-30"),
        },
    ),
    "offsets": _days(
        ("date_formats",),
        {
            "2026-01-05T23:30:00-05:00": "2026-01-06",
            "2026-01-05T00:30+01": "2026-01-04",
            "2026-01-05 23:30Z": DAY,
            "2026-01-05T13:59:00+1400": "2026-01-04",
            **_bad("2026-01-05T23:30:00+25:00", "2026-01-05T23:30:00+01:75", "2026-01-05 24:00:00"),
        },
    ),
    # files
    "mark_twice": Hostile(2 * _BOM.encode() + _text(_five("a")), {}, None, ("lacks 'id'",)),
    "mark_and_quoted_header": Hostile(
        _BOM.encode() + _text(_five("a"), header='"' + HEADER.replace(",", '","') + '"'), _fives("a")
    ),
    "joined_with_a_mark": Hostile(
        _text(_five("a")) + _BOM.encode() + _text(_five("b")), _fives("a", "b"), 1, ("byte order mark",)
    ),
    "mark_before_a_row": Hostile(
        _text(_five("a")) + (_BOM + _five("b")).encode(), _fives("a"), 1, ("byte order mark",)
    ),
    "header_in_the_middle": Hostile(
        _text(_five("a"), HEADER, _five("b"), HEADER), _fives("a", "b"), 2, ("repeats the header",)
    ),
    "utf_16_big_endian": Hostile(b"\xfe\xff" + _text(_five("a")).decode().encode("utf-16-be"), _fives("a")),
    "nul_in_the_header": Hostile(_text(_five("a"), header=f"{HEADER}\0"), {}, None, ("NUL byte",)),
    "utf_16_without_a_mark": Hostile(_text(_five("a")).decode().encode("utf-16-le"), {}, None, ("utf-16-le",)),
    "mixed_line_ends": Hostile(
        f"{HEADER}\n{_five('a')}\r\n{_five('b')}\r{_five('c')}\r\r\n{_five('d')}".encode(), _fives(*"abcd")
    ),
    "line_ends_that_are_none": Hostile(
        _text(*(f"{_five(name)}{mark}z" for name, mark in zip("abcd", "\u2028\x85\x0b\x1c", strict=True))),
        _fives(*"abcd"),
    ),
    "no_line_end": Hostile(_text(_five("a"), _five("b"))[:-1], _fives("a", "b")),
    "end_of_file_mark": Hostile(_text(_five("a")) + b"\x1a", _fives("a"), 1, ("1 fields",)),
    "quotes": Hostile(
        _text(
            f'a,{DAY},C1,5,EUR,x,"p,q"',
            f'b,{DAY},C1,5,EUR,x,p"q',
            f'"c","{DAY}","C1","5","EUR","x",""',
            f"d,{DAY},C1,5,EUR,x,'p,q'",
            f'e,{DAY},C1,5,EUR,x,"p\\"q"',
            f'f,{DAY},C1,5,EUR,x,"p" ',
            f'g,{DAY},C1,5,EUR,x,"p',
        ),
        _fives(*"abc"),
        4,
        ("8 fields", "not closed or not doubled"),
    ),
    "header_only": Hostile(_text(), {}),
    "header_only_without_line_end": Hostile(_text()[:-1], {}),
    "delimiters_behind_rows": Hostile(_text(f"{_five('a')},", _five("b")), _fives("b"), 1, ("8 fields",)),
    "delimiters_behind_the_header": Hostile(
        _text(f"{_five('a')},", _five("b"), header=f"{HEADER},"), _fives("a"), 1, ("7 fields",)
    ),
    "another_delimiter": Hostile(_text(_five("a")).replace(b",", b"^"), {}, None, ("delimiter",)),
    "single_column": Hostile(b"id\na\nb\n", {}, None, ("lacks 'date'",)),
    "sql_and_our_own_names": Hostile(
        _text(
            f"{_five('a')},1,2,3,4,5,6",
            header=f'{HEADER},select,"new\nline","""); drop table x; --",c0,position,FILE_ROW_NUMBER',
        ),
        _fives("a"),
    ),
    "huge_ids": Hostile(_text(_five("9" * 60), _five("1.0E+15"), _five("007")), _fives("9" * 60, "1.0E+15", "007")),
    "currencies": Hostile(
        _text(f"a,{DAY},C1,5,eur,x,y", f"b,{DAY},C1,5,,x,y"),
        {"a": (DAY, Decimal(5), "eur"), "b": (DAY, Decimal(5), None)},
    ),
    "comments": Hostile(_text("# made by a bank", _five("a")), _fives("a"), 1, ("1 fields",)),
    # footers
    "total_with_a_day_in_polish": _footer(f"Razem,{DAY},,10,EUR,,"),
    "total_with_a_day_in_japanese": _footer(f"\u5408\u8a08,{DAY},,10,JPY,,"),
    "total_with_every_field": _footer(f"TOTAL:,{DAY},all,10,EUR,all,all"),
    "total_behind_a_word": _footer("Importe total,,,10,EUR,,", "Grand total,,,10,,,"),
    "unknown_words_at_the_end": _footer("Anzahl,,,2,,,", "Betrag,,,10,,,", message="rows at the end"),
    "a_remark_at_the_end": _footer("Generated by a bank on 2026-01-05,,,,,,", message="remark"),
    "short_footer": _footer("-- end of file --", message="1 fields"),
}

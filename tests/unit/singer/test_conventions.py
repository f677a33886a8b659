"""Test that the tap correctly reads dates and amounts in the formats of twelve countries and tools, if declared.

If a format is not declared, each value is read correctly, or its row is quarantined, or the file is refused.
"""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tap_csv.errors import FileRefusedError
from tap_csv.files import measure, prepare
from tap_csv.quarantine import Quarantine
from tap_csv.scan import scan, write_parquet
from tap_csv.settings import entities

_CONNECTION = duckdb.connect(config={"threads": 2})
_TYPES = {"day": "date", "amount": "decimal"}

Row = tuple[str, date, Decimal, str]


@dataclass(frozen=True)
class Convention:
    """How a country or tool writes dates and amounts, and the settings of the tap that declare this convention."""

    day: str
    amount: Callable[[Decimal], str]
    settings: dict[str, Any]
    delimiter: str = ","
    encoding: str = "utf-8"
    end: str = "\n"
    above: str = ""
    header: tuple[str, ...] = ("id", "day", "amount", "note")
    fields: Callable[[str], list[str]] = field(default=lambda amount: [amount])


def grouped(separator: str, point: str, *, indian: bool = False) -> Callable[[Decimal], str]:
    """Return a function that formats amounts with a thousands separator.

    A whole amount with an even number of digit groups gets no decimal places; every other amount gets at least two.
    Thus the tests have whole amounts with and without decimal places.
    """

    def write(amount: Decimal) -> str:
        whole, _, places = f"{abs(amount):f}".partition(".")
        groups: list[str] = []
        while whole:
            size = 2 if indian and groups else 3
            groups, whole = [whole[-size:], *groups], whole[:-size]
        fraction = places.rstrip("0").ljust(2, "0") if places.strip("0") or len(groups) % 2 else ""
        return ("-" if amount < 0 else "") + separator.join(groups) + (point + fraction if fraction else "")

    return write


def _parentheses(amount: Decimal) -> str:
    text = grouped(",", ".")(abs(amount))
    return f"({text})" if amount < 0 else text


def _unicode_minus(amount: Decimal) -> str:
    return grouped("\u00a0", ",")(amount).replace("-", "\N{MINUS SIGN}")


_COMMA, _DMY = {"decimal": ",", "thousands": "."}, "%d.%m.%Y"
_BANK = {
    "columns": {"day": "date"}, "debit_credit": {"amount": {"debit": "Soll", "credit": "Haben"}},
    "renames": {"Nr": "id", "Datum": "day", "Text": "note"}, "date_formats": [_DMY], **_COMMA,
}  # fmt: skip

CONVENTIONS = {
    "iso": Convention("%Y-%m-%d", lambda amount: f"{amount:f}", {"decimal": "."}),
    "de": Convention(_DMY, grouped(".", ","), {**_COMMA, "date_formats": [_DMY]}, ";", "cp1252", "\r\n"),
    "fr": Convention("%d/%m/%Y", grouped("\u202f", ","), {"decimal": ",", "date_formats": ["%d/%m/%Y"]}, ";"),
    "ch": Convention(_DMY, grouped("'", "."), {"decimal": ".", "thousands": "'", "date_formats": [_DMY]}, ";"),
    "us": Convention("%m/%d/%Y", grouped(",", "."), {"decimal": ".", "date_formats": ["%m/%d/%Y"]}),
    "uk": Convention("%d/%m/%y", lambda amount: "£".join(("-" * (amount < 0), grouped(",", ".")(abs(amount)))),
                     {"decimal": ".", "currency_signs": ["£"], "date_formats": ["%d/%m/%y"]}),
    "se": Convention("%Y-%m-%d", _unicode_minus, {"decimal": ","}, "\t", "utf-16"),
    "in": Convention("%d-%b-%Y", grouped(",", ".", indian=True), {"decimal": ".", "date_formats": ["%d-%b-%Y"]}),
    "excel-de": Convention(_DMY, grouped(".", ","), {**_COMMA, "date_formats": [_DMY]}, ";", above="sep=;\r\n",
                           end="\r\n"),
    "paypal": Convention("%m/%d/%Y", grouped(",", "."), {"decimal": ".", "header_match": "loose",
                         "renames": {"Transaction ID": "id", "Gross": "amount"}, "date_formats": ["%m/%d/%Y"]},
                         header=("Transaction ID", "Day", "Gross", "Note"), encoding="utf-8-sig"),
    "bank": Convention(_DMY, grouped(".", ","), _BANK, ";", "latin-1", header=("Nr", "Datum", "Soll", "Haben", "Text"),
                       above="Konto;123\nVon;01.01.2026\n\n",
                       fields=lambda amount: [amount[1:], ""] if amount.startswith("-") else ["", amount]),
    "quickbooks": Convention("%m/%d/%Y", _parentheses, {"decimal": ".", "negatives": ["parentheses"],
                             "date_formats": ["%m/%d/%Y"]}),
}  # fmt: skip

_AMOUNTS = st.one_of(
    st.decimals(-99_999_999, 99_999_999, places=2),
    st.decimals(-9_999, 9_999, places=0).map(lambda amount: amount * 1000),
    st.decimals(-99, 99, places=8),
    st.decimals(-9_999, 9_999, places=3),
)
_DAYS = st.integers(0, 10_000).map(lambda days: date(1999, 1, 1) + timedelta(days))
_NOTES = st.text(st.sampled_from("abcü ,;\"'.1"), max_size=6).map(lambda text: f"n{text}")
_TABLES = st.lists(st.tuples(_DAYS, _AMOUNTS, _NOTES), min_size=1, max_size=12)


def written(how: Convention, rows: list[Row]) -> bytes:
    out = io.StringIO(newline="")
    out.write(how.above)
    writer = csv.writer(out, delimiter=how.delimiter, lineterminator=how.end)
    writer.writerow(how.header)
    for key, day, amount, note in rows:
        writer.writerow([key, day.strftime(how.day), *how.fields(how.amount(amount)), note])
    return out.getvalue().encode(how.encoding)


def read(data: bytes, given_settings: dict[str, Any]) -> tuple[list[Row], int]:
    """Read the bytes with the tap's own functions; return the loaded rows and the number of quarantined rows."""
    raw = {"entity": "t", "path": "x", "keys": ["id"], "columns": _TYPES} | given_settings
    entity = entities({"entities": [raw]})[0]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "t.csv").write_bytes(data)
        quarantine = Quarantine("t", folder)
        text = prepare(folder / "t.csv", entity, folder)
        scanned = scan(_CONNECTION, text, measure(text), entity, folder, quarantine)
        parquet = folder / "t.parquet"
        write_parquet(_CONNECTION, scanned, entity, scanned.values.types, parquet, "snappy")
        query = f"SELECT id, day, amount, note FROM read_parquet('{parquet}')"
        return _CONNECTION.execute(query).fetchall(), scanned.bad


def _table(table: list[tuple[date, Decimal, str]]) -> list[Row]:
    return [(f"k{number}", day, amount, note) for number, (day, amount, note) in enumerate(table)]


@given(table=_TABLES, name=st.sampled_from(sorted(CONVENTIONS)))
@settings(max_examples=120, deadline=None)
def test_file_is_read_correctly_if_its_convention_is_declared(
    table: list[tuple[date, Decimal, str]], name: str
) -> None:
    how, rows = CONVENTIONS[name], _table(table)
    encoding = {} if how.encoding.startswith("utf") else {"encoding": how.encoding}
    if encoding and all(note.isascii() for *_, note in rows):
        encoding = {}
    found, bad = read(written(how, rows), how.settings | encoding)
    assert (found, bad) == (rows, 0)


@given(table=_TABLES, name=st.sampled_from(sorted(CONVENTIONS)), knows_days=st.booleans())
@example(table=[(date(2026, 1, 5), Decimal("-1000"), "n")], name="de", knows_days=True)
@example(table=[(date(2026, 1, 5), Decimal("1.234"), "n")], name="de", knows_days=True)
@example(table=[(date(2026, 5, 1), Decimal("12"), "n")], name="us", knows_days=False)
@settings(max_examples=200, deadline=None)
def test_file_in_an_undeclared_convention_never_gives_a_wrong_value(
    table: list[tuple[date, Decimal, str]], name: str, knows_days: bool
) -> None:
    how, rows = CONVENTIONS[name], _table(table)
    known = {
        key: value
        for key, value in how.settings.items()
        if key in ("renames", "header_match", "debit_credit", "columns")
    }
    known |= {"encoding": how.encoding} if not how.encoding.startswith("utf") else {}
    known |= {"date_formats": how.settings["date_formats"]} if knows_days and "date_formats" in how.settings else {}
    try:
        found, bad = read(written(how, rows), known)
    except FileRefusedError as error:
        assert error.message
        return
    truth = {row[0]: row for row in rows}
    assert all(truth[row[0]] == row for row in found)
    assert len(found) + bad == len(rows)


def test_ambiguous_amount_is_read_correctly_or_its_file_is_refused() -> None:
    data = written(CONVENTIONS["de"], _table([(date(2026, 1, 5), Decimal("12000"), "n")]))
    try:
        found, _ = read(data, {"date_formats": [_DMY]})
    except FileRefusedError as error:
        assert "ambiguous" in error.message
    else:
        assert found == [("k0", date(2026, 1, 5), Decimal("12000"), "n")]

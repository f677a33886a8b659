"""Test which rows the tap takes for joined rows, totals and headers, and which similar rows it loads."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import duckdb
import pytest
from tap_csv.errors import FileRefusedError
from tap_csv.files import measure, prepare
from tap_csv.quarantine import Quarantine
from tap_csv.scan import scan
from tap_csv.settings import entities

_CONNECTION = duckdb.connect(config={"threads": 2})
_AMOUNT: dict[str, Any] = {"keys": ["id"], "columns": {"amount": "decimal"}}
_CUSTOMER = _AMOUNT | {"keys": ["customer"]}
_DAYS: dict[str, Any] = {"generated_key": "key", "columns": {"day": "date", "amount": "decimal"}}
_PAIR: dict[str, Any] = {"keys": ["id"], "columns": {"x": "decimal", "y": "decimal"}}


def read(data: str, settings: dict[str, Any]) -> tuple[int, dict[int, str]]:
    """Read the text with the tap's own functions; return the number of loaded rows, and the reason by bad line."""
    entity = entities({"entities": [{"entity": "t", "path": "x", **settings}]})[0]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "t.csv").write_bytes(data.encode())
        quarantine = Quarantine("t", folder)
        text = prepare(folder / "t.csv", entity, folder)
        good = scan(_CONNECTION, text, measure(text), entity, folder, quarantine).good
        quarantine.publish(folder / "q")
        bad = [json.loads(line) for file in (folder / "q").glob("*") for line in file.read_bytes().splitlines()]
        return good, {row["line"]: row["reason"] for row in bad}


_FORMS: dict[str, tuple[str, dict[str, Any]]] = {
    "comma": ("id,text,amount\n{}9,x,5.00\n", _AMOUNT),
    "comma, last": ("id,amount,text\n{}9,5.00,x\n", _AMOUNT),
    "days": ("day,text,amount\n{}2026-01-09,x,5.00\n", _DAYS),
    "German": ("day;text;amount\n{}09.01.2026;x;5,00\n", _DAYS | {"date_formats": ["%d.%m.%Y"], "decimal": ","}),
    "sides": ("id;text;S;H\n{}9;x;5,00;\n", {"keys": ["id"], "columns": {"amount": "decimal"}, "decimal": ",",
              "debit_credit": {"amount": {"debit": "S", "credit": "H"}}}),
    "signs": ("id,text,amount\n{}9,x,5.00 kr\n", _AMOUNT | {"currency_signs": ["kr"]}),
    "nulls": ("id,text,amount,n\n{}9,x,5.00,-\n", _AMOUNT | {"columns": {"amount": "decimal", "n": "integer"},
                                                             "null_words": ["-"]}),
}  # fmt: skip


@pytest.mark.parametrize(
    ("form", "rows", "lines"),
    [
        ("comma", '1,"Special,10.00\n2,TV 55",20.00\n', 2),
        ("comma", '1,"Special,10.00\r\n2,a,11.00\r\n3,b,12.00\r\n4,TV 55",20.00\r\n', 4),
        ("comma", '1,"Special,10.00\n\n2,TV 55",20.00\n', 2),
        ("comma", '1,"Special,  9.00\n2,TV 55",120.00\n', 2),
        ("comma, last", '1,10.00,"Special\n2,20.00,TV 55"\n', 2),
        ("days", '2026-01-05,"a,-10.00\n2026-01-06,b",20.00\n', 2),
        ("German", '05.01.2026;"a;1.010,00\n06.01.2026;b";20,00\n', 2),
        ("sides", '1;"a;10,00;\n2;b";;20,00\n', 2),
        ("signs", '1,"a,10.00 kr\n2,b",20.00 kr\n', 2),
        ("nulls", '1,"a,10.00,-\n2,b",20.00,7\n', 2),
    ],
)
def test_record_is_bad_if_a_stray_quote_joins_few_rows_with_days_or_numbers(form: str, rows: str, lines: int) -> None:
    text, settings = _FORMS[form]
    good, bad = read(text.format(rows), settings)
    assert good == 1 and list(bad) == [2]
    assert f"a stray quote joins lines: {lines} lines" in bad[2]


def test_stray_quote_that_joins_the_last_two_rows_is_found_in_a_file_without_a_last_line_end() -> None:
    good, bad = read('id,text,amount\n9,x,5.00\n1,"Special,10.00\n2,TV 55",20.00', _AMOUNT)
    assert good == 1 and "a stray quote joins lines" in bad[3]


@pytest.mark.parametrize(
    ("form", "row"),
    [
        ("comma", '1,"Street 1, Berlin\nGermany, EU",20.00\n'),
        ("comma", '1,"Street, 12\nBerlin, EU",20.00\n'),
        ("comma", '1,"Street, 12\n10115, EU",20.00\n'),
        ("comma", '1,"Street,12\nBerlin,EU",20.00\n'),
        ("comma", '1,"Street 1,\nBerlin,",20.00\n'),
        ("comma", 'I-1,"Item A,2\nItem B,3",20.00\n'),
        ("comma", '1,"Price 12,50\nVAT 2,30",20.00\n'),
        ("comma", '1,"улица,5\nдом,2",20.00\n'),
        ("days", '2026-01-05,"Street, 5\n10115 Berlin, EU",20.00\n'),
        ("German", '05.01.2026;"a; b\nc; d";20,00\n'),
        ("signs", '1,"Street,5 cm\nBerlin,2",20.00 kr\n'),
    ],
)
def test_record_with_a_text_of_several_lines_with_delimiters_is_loaded(form: str, row: str) -> None:
    text, settings = _FORMS[form]
    assert read(text.format(row), settings) == (2, {})


@pytest.mark.parametrize(
    "key",
    ["Grand Total", "Gesamtergebnis", "Total général", "TOTAL GÉNÉRAL", "Total general", "Totale complessivo",
     "Eindtotaal", "Общий итог", "ОБЩИЙ ИТОГ", "Total EUR", "Summe (EUR)", "Net total", "Gesamt EUR", "Ending Balance",
     "Closing balance USD", "Solde", "Kontostand", "Total\u00a0:", "Grand\u00a0Total", "* Total *", "= Total =",
     "Total €", "Sub-total"],
)  # fmt: skip
def test_row_whose_key_is_a_phrase_for_a_total_is_bad_even_if_all_its_values_are_filled(key: str) -> None:
    good, bad = read(f"customer,amount\nAcme,100.00\nZeta,50.50\n{key},150.50\n", _CUSTOMER)
    assert good == 2 and "looks like a total row" in bad[4]


@pytest.mark.parametrize(
    "key",
    ["Total Energies", "Total Wine", "Total SAS", "Total Gas", "Total-Tankstelle", "Balance Bikes", "Summe AG",
     "Solder GmbH", "Sumner", "Gesamtschule", "Grand Hotel", "Sum 41", "EUR"],
)  # fmt: skip
def test_row_whose_key_is_a_name_with_a_word_for_a_total_is_loaded(key: str) -> None:
    assert read(f"customer,amount\nAcme,100.00\n{key},150.50\n", _CUSTOMER) == (2, {})


@pytest.mark.parametrize(
    ("after", "more"),
    [
        ("", 0),
        (";;\n", 0),
        (" \n", 0),
        ("\n\n", 0),
        (";;\n" * 40_000, 0),
        ("Printed 2026-01-31\n", 1),
        ("Printed;;\n", 1),
        ("Printed 2026-01-31;;\n", 1),
    ],
)
def test_total_without_a_day_is_bad_whatever_lines_without_a_record_follow_it(after: str, more: int) -> None:
    good, bad = read(f"day;text;amount\n2026-01-05;A;10.00\n2026-01-06;B;20.00\n;;30.00\n{after}", _DAYS)
    assert good == 2 and len(bad) == 1 + more
    assert "at the end without a date" in bad[4]


@pytest.mark.parametrize(
    "rows",
    [
        ";pending;20.00\n2026-01-07;C;5.00\n;;\n",
        ";pending;20.00\n2026-01-07;C;\n",
        ";note;\n2026-01-07;C;5.00\n;;\n",
        "".join(f";{name};1.00\n" for name in "abcd") + ";;\n",
    ],
)
def test_row_without_a_day_is_loaded_if_a_day_follows_or_if_many_rows_have_none(rows: str) -> None:
    good, bad = read(f"day;text;amount\n2026-01-05;A;10.00\n{rows}", _DAYS)
    assert (good, bad) == (1 + len([row for row in rows.splitlines() if row != ";;"]), {})


@pytest.mark.parametrize("header", ["id,y,x", "y,x,id", "id, Y, X", "\ufeffid,y,x", '\ufeff"id","y","x"'])
@pytest.mark.parametrize("settings", [_PAIR, _PAIR | {"ignore_rows": ["(?i).?id"]}, {"keys": ["id"]}])
def test_file_with_a_second_header_in_another_order_is_refused(header: str, settings: dict[str, Any]) -> None:
    with pytest.raises(FileRefusedError, match="another order of columns in line 3; split the file there"):
        read(f"id,x,y\n1,100,119\n{header}\n2,238,200\n", settings)


def test_second_header_is_found_even_if_its_names_are_valid_numbers_of_their_columns() -> None:
    with pytest.raises(FileRefusedError, match="in line 3"):
        read("id,2024,2025\n1,5,6\nid,2025,2024\n2,8,7\n", _PAIR | {"columns": {"2024": "integer", "2025": "integer"}})


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ("source,target\na,b\ntarget,source\n", {"keys": ["source"]}),
        ("id,x,y\nid,b,y\nx,y,y\n", {"keys": ["id"]}),
    ],
)
def test_row_with_some_names_of_the_header_is_loaded(text: str, settings: dict[str, Any]) -> None:
    assert read(text, settings) == (2, {})


def test_header_in_the_same_order_is_quarantined_and_the_rows_after_it_are_loaded() -> None:
    good, bad = read("id,x,y\n1,100,119\nid,x,y\n2,238,200\n", _PAIR)
    assert good == 2 and "repeats the header" in bad[3]


@pytest.mark.parametrize("key", ["\t", " \t ", "\u200b", "\ufeff\u00a0", '"\n"', "\u3000"])
def test_row_whose_key_has_no_visible_character_is_bad(key: str) -> None:
    good, bad = read(f"id,x\na,1\n{key},2\n", {"keys": ["id"]})
    assert good == 1 and list(bad) == [3]


@pytest.mark.parametrize("key", ["\ta", "\u200ba", "ä", "合", "-", "\t-"])
def test_row_whose_key_has_a_visible_character_is_loaded(key: str) -> None:
    assert read(f"id,x\na,1\n{key},2\n", {"keys": ["id"]}) == (2, {})

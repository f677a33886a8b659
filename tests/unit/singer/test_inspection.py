"""Test that `inspect` proposes correct settings, and lists options for a setting that the file does not determine.

Such a setting is called undecided here."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tap_csv.errors import FileRefusedError, TapError
from tap_csv.inspection.inspect import inspect
from tap_csv.inspection.model import Report

from tests.integration.singer.test_csv_cases import CASES, CASES_FOLDER, Rows, truths
from tests.unit.singer.test_conventions import _TABLES, CONVENTIONS, Convention, _table, written

REFUSED = {"duplicate_header": "more than once", "workbook_named_csv": "workbook"}
OPEN: dict[str, tuple[str, dict[str, Any]]] = {
    "cp1252": ("encoding", {"encoding": "cp1252"}),
    "cp1252_as_declared": ("encoding", {"encoding": "cp1252"}),
    "currency_sign": ("column amount", {"currency_signs": ["$", "€"], "columns": {"amount": "decimal"}}),
    "dmy_four_digit_year": ("date_formats", {
        "date_formats": ["%d-%m-%Y", "%d.%m.%Y", "%d/%m/%Y"], "columns": {"date": "date"}}),
    "dmy_two_digit_year": ("date_formats", {"date_formats": ["%d-%m-%y", "%d/%m/%y"], "columns": {"date": "date"}}),
    "one_stray_quote": ("delimiter and skip_rows", {"delimiter": ",", "skip_rows": 0}),
    "quote_within_quotes": ("delimiter and skip_rows", {"delimiter": ",", "skip_rows": 0}),
    "space_after_delimiter": ("delimiter and skip_rows", {"delimiter": ",", "skip_rows": 0}),
    "dotted_short_and_names": ("column date", {"columns": {"date": "string"}}),
    "offset_time_alone": ("timezone", {"timezone": "UTC"}),
    "offset_time_beside_a_day": ("timezone", {"timezone": "UTC"}),
    "offset_time_two_runs": ("timezone", {"timezone": "UTC"}),
}  # fmt: skip
"""For some names in `CASES`, the first undecided setting, and an option that must be listed for this setting."""
WITHOUT_TRUTH = {"dotted_short_and_names", "debit_credit_columns", "header_case_and_spaces"}
"""Cases whose inspected rows are not compared with the expected rows, which have other column names or types."""
REPLACED = ("extra_and_reordered_columns_later", 0)
"""A case and the index of one of its files, whose row is not expected because a later file replaces it."""
FILES = [
    (name, CASES_FOLDER / step["csv"], index)
    for name, case in CASES.items() for index, step in enumerate(case["steps"]) if "csv" in step
]  # fmt: skip


def loaded(report: Report) -> Rows:
    """Return the sample rows in a report about a file, at most ten, as `{id: (day, amount, currency)}`."""
    columns = list(report.loaded_columns)
    found: Rows = {}
    for row in report.sample:
        by = dict(zip(columns, row, strict=True))
        day = (by["date"] or "")[:10]
        found[str(by["id"])] = (day, Decimal(by["amount"] or ""), (by["currency"] or "").strip() or None)
    return found


@pytest.mark.parametrize(("name", "file", "index"), FILES, ids=[f"{name}-{index}" for name, _, index in FILES])
def test_settings_proposed_for_a_csv_case_are_correct_or_undecided(name: str, file: Path, index: int) -> None:
    declared: dict[str, Any] = {"keys": ["Id" if name == "header_case_and_spaces" else "id"]}
    if name in REFUSED:
        with pytest.raises(FileRefusedError, match=REFUSED[name]):
            inspect(file, declared)
        return
    report = inspect(file, declared)
    if name in OPEN and report.open:
        setting, answer = OPEN[name]
        assert report.open[0].setting == setting
        assert answer in [dict(option.settings) for option in report.open[0].options]
        report = inspect(file, declared | answer)
    if report.open:
        assert name in ("two_stray_quotes", "one_stray_quote", "quote_within_quotes", "space_after_delimiter")
        assert all(one.setting == "file" and "the tap would refuse it" in one.why for one in report.open)
    elif name not in WITHOUT_TRUTH and (name, index) != REPLACED:
        rows = loaded(report)
        assert rows and any(all(truth.get(key) == row for key, row in rows.items()) for truth in truths(CASES[name]))
        assert len(report.sample) == min(10, report.rows["loaded"])


def _inspected(data: bytes, declared: Mapping[str, Any]) -> Report | None:
    """Return the report about these bytes, or None if `inspect` refuses them with an error of one line."""
    with tempfile.NamedTemporaryFile(suffix=".csv") as file:
        Path(file.name).write_bytes(data)
        try:
            return inspect(Path(file.name), declared)
        except TapError as error:
            assert error.message and "\n" not in error.message
            return None


@given(table=_TABLES, name=st.sampled_from(sorted(CONVENTIONS)))
@example(table=[(date(2026, 1, 5), Decimal("-1000"), "n")], name="de")
@example(table=[(date(2026, 1, 5), Decimal("1.234"), "n")], name="de")
@example(table=[(date(2026, 5, 1), Decimal("12"), "n")], name="us")
@example(table=[(date(1999, 1, 10), Decimal("12.5"), "n")], name="uk")
@settings(max_examples=150, deadline=None)
def test_value_in_the_sample_of_a_report_is_the_true_value_or_the_text_in_the_file(
    table: list[tuple[date, Decimal, str]], name: str
) -> None:
    how, rows = CONVENTIONS[name], _table(table)
    encoding = {} if how.encoding.startswith("utf") else {"encoding": how.encoding}
    if encoding and all(note.isascii() for *_, note in rows):
        encoding = {}
    key = how.header[0]
    report = _inspected(written(how, rows), {"keys": [key], **encoding})
    if report is None or any(one.setting in ("file", "delimiter and skip_rows", "skip_rows") for one in report.open):
        return
    assert report.delimiter == how.delimiter and report.header_line == how.above.count("\n") + 1
    columns = list(report.loaded_columns)
    for row in report.sample:
        by = dict(zip(columns, row, strict=True))
        true = next(one for one in rows if one[0] == by[key])
        _check_day(by[how.header[1]], report.loaded_columns[how.header[1]], how, true[1])
        for column, text in zip(how.header[2:], how.fields(how.amount(true[2])), strict=False):
            _check_amount(by[column], report.loaded_columns[column], text, true[2])


def _check_day(value: str | None, kind: str, how: Convention, day: date) -> None:
    """Assert that a value is the true date, or, if the column does not have the type DATE, the text in the file."""
    assert value == (day.isoformat() if kind == "DATE" else day.strftime(how.day))


def _check_amount(value: str | None, kind: str, text: str, amount: Decimal) -> None:
    """Assert that a decimal is the true amount, and that any other value is the text in the file.

    If the text does not begin with a minus, as in a column of debits, the amount without its sign is accepted too.
    """
    if kind.startswith("DECIMAL") and text:
        assert value is not None and Decimal(value) in (amount, abs(amount) if not text.startswith("-") else amount)
    else:
        assert (value or "") == text


def _csv(*rows: list[str], delimiter: str = ",") -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter).writerows(rows)
    return out.getvalue().encode()


@pytest.mark.parametrize(
    ("values", "kind", "is_open"),
    [
        (["007", "10"], "string", False),
        (["2026.1", "2026.10"], "string", True),
        (["1.234", "2.345"], "string", True),
        (["12.345.678", "1.234.567"], "string", False),
        (["170 123 456", "170 123 457"], "string", False),
        (["01:30", "02:45"], "string", False),
        (["5 h", "30 min"], "string", False),
        (["12.50 kg", "3.00 kg"], "string", False),
        (["12.50", "-"], "string", True),
        (["12.50", "12,50"], "string", True),
        (["€ 12.50", "€ 1,300.00"], "decimal", False),
        (["(12.50)", "3.00"], "decimal", False),
        (["true", "FALSE"], "boolean", False),
        (["31/12/2025", "01/02/2026"], "date", False),
        (["01/02/2026", "03/02/2026"], "string", True),
        (["2026-01-31 10:00", "2026-02-01 11:30:00"], "datetime", False),
        (["31.12.2025", "soon"], "string", True),
        (["20260131", "20260201"], "string", False),
        (["", ""], "string", False),
    ],
)
def test_ambiguous_column_is_text_with_options_and_any_other_column_gets_its_type(
    values: list[str], kind: str, is_open: bool
) -> None:
    report = _inspected(_csv(["id", "it"], *([f"k{n}", value] for n, value in enumerate(values))), {"keys": ["id"]})
    assert report
    assert [column.type for column in report.columns if column.name == "it"] == [kind]
    assert bool(report.open) == is_open, report.open
    for option in (option for one in report.open for option in one.options):
        again = _inspected(_csv(["id", "it"], *([f"k{n}", value] for n, value in enumerate(values))),
                           {"keys": ["id"], **option.settings})  # fmt: skip
        assert again and [one.setting for one in again.open] in ([], ["file"]), (option, again.open)


@pytest.mark.parametrize(
    ("values", "bound", "options"),
    [
        (["12/05/2028", "03/04/2027"], {"latest_date": "2028-06-30"}, [["%d/%m/%Y"], ["%m/%d/%Y"]]),
        (["02.11.2019 10:00", "03.12.2021 11:30"], {"earliest_date": "2019-06-01"},
         [["%d.%m.%Y %H:%M"], ["%m.%d.%Y %H:%M"]]),
        (["31/05/2028", "03/04/2027"], {"latest_date": "2028-06-30"}, []),
    ],
)  # fmt: skip
def test_bounds_of_plausible_days_do_not_decide_the_order_of_day_and_month(
    values: list[str], bound: dict[str, str], options: list[list[str]]
) -> None:
    rows = ([f"k{n}", value] for n, value in enumerate(values))
    report = _inspected(_csv(["id", "it"], *rows), {"keys": ["id"], **bound})
    assert report and [option.settings["date_formats"] for one in report.open for option in one.options] == options


def test_undeclared_key_is_undecided_and_only_unique_columns_without_empty_values_are_candidates() -> None:
    report = _inspected(_csv(["a", "b", "c"], ["1", "x", "u"], ["2", "x", "v"], ["3", "y", ""]), {})
    assert report and report.key_candidates == ["a"]
    (key,) = report.open
    assert key.setting == "keys" and [dict(one.settings) for one in key.options] == [
        {"keys": ["a"]}, {"generated_key": "row_id"},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "setting"),
    [
        ("k1,2026-01-01,5.50\nk2,2026-01-02,6.50\n", "delimiter and skip_rows"),
        ("Inhaber;Max\nDatum;Betrag\n05.01.2026;1,50\n06.01.2026;2,50\n", "delimiter and skip_rows"),
        ("name, first;amount\nx;2,50\ny;3,50\n", "delimiter and skip_rows"),
        ("name\nx\ny\n", "delimiter"),
        ("Day;Text;Sum\n05.01.2026;a;1,50\nNote:;\nThis list is filtered.;\n", "delimiter and skip_rows"),
    ],
)
def test_delimiter_of_an_ambiguous_file_is_undecided_alone_or_together_with_the_header_line(
    text: str, setting: str
) -> None:
    report = _inspected(text.encode(), {"keys": ["id"]})
    assert report and [one.setting for one in report.open] == [setting]


def test_lines_above_the_header_are_reported() -> None:
    report = _inspected(b"Konto;123\nVon;01.01.2026\n\nNr;Betrag;Text\n1;2,50;a\n2;3,75;b\n", {"keys": ["Nr"]})
    assert report and not report.open
    assert (report.header_line, report.above) == (4, ["Konto;123", "Von;01.01.2026", ""])
    assert report.decimal == "," and report.entity["columns"] == {"Betrag": "decimal", "Text": "string"}


@pytest.mark.parametrize("row", ["1,-12.00,,", "1,12,50,"])
def test_setting_row_end_is_undecided_if_each_row_has_one_empty_field_more_than_the_header(row: str) -> None:
    """In the row `1,12,50,`, the comma in `12,50` may be an unquoted decimal comma; then there is no extra field."""
    data = f"Nr,Sum,Slip\n{row}\n{row.replace('1,', '2,', 1)}\n".encode()
    report = _inspected(data, {"keys": ["Nr"]})
    assert report and [one.setting for one in report.open] == ["row_end"]
    (option,) = report.open[0].options
    again = _inspected(data, {"keys": ["Nr"], **option.settings})
    assert again and not again.open and again.rows["loaded"] == 2 and again.entity["row_end"] == "delimiter"
    filled = _inspected(data.replace(b",\n", b",oops\n"), {"keys": ["Nr"]})
    assert filled and [one.setting for one in filled.open] == ["delimiter and skip_rows"]


@pytest.mark.parametrize(
    ("values", "has_note"), [(["12 %", "7,5 %"], True), (["12%", "-3%"], True), (["12 %", "x"], False)]
)
def test_column_of_percentages_is_text_and_a_note_names_the_setting_that_makes_it_decimal(
    values: list[str], has_note: bool
) -> None:
    rows = [[f"k{number}", value] for number, value in enumerate(values)]
    report = _inspected(_csv(["id", "it"], *rows), {"keys": ["id"]})
    assert report and [column.type for column in report.columns] == ["string", "string"]
    assert any('currency_signs to ["%"]' in note for note in report.notes) is has_note
    if has_note:
        declared = {"keys": ["id"], "columns": {"it": "decimal"}, "currency_signs": ["%"]}
        again = _inspected(_csv(["id", "it"], *rows), declared)
        assert again and again.rows["loaded"] == 2 and again.sample[0][1] == "12.0000"


def test_renamed_columns_are_inspected_with_their_new_names() -> None:
    data = _csv(["Konto Nr", "Größe"], ["k1", "1.50"], ["k2", "2.25"])
    report = _inspected(data, {"keys": ["id"], "renames": {"Konto Nr": "id", "Größe": "size"}})
    assert report and not report.open and report.entity["columns"] == {"size": "decimal"}
    assert report.entity["renames"] == {"Konto Nr": "id", "Größe": "size"}


@pytest.mark.parametrize("name", CONVENTIONS)
def test_no_setting_is_undecided_if_the_values_prove_the_convention(name: str) -> None:
    how = CONVENTIONS[name]
    table = [(date(2025, 12, 31), Decimal("-1234.56"), "a"), (date(2026, 1, 2), Decimal("1234567.8"), "b")]
    table += [(date(2026, 2, 28), Decimal("-1234.56"), "c"), (date(2026, 3, 30), Decimal("23.45"), "d")]
    report = _inspected(written(how, _table(table)), {"keys": [how.header[0]]})
    assert report and report.open == [], report
    assert (report.delimiter, report.decimal) == (how.delimiter, how.settings.get("decimal", "."))
    assert report.date_formats == how.settings.get("date_formats", ["iso"])
    declared = {name: how.settings[name] for name in ("currency_signs", "negatives") if name in how.settings}
    assert {name: report.entity[name] for name in ("currency_signs", "negatives") if name in report.entity} == declared
    assert report.rows["loaded"] == 4


@pytest.mark.parametrize("data", [b"", b"\xef\xbb\xbf", b"\n\n", b"\0\0\0", b"a,b", b"\x1f\x8bxx", b'"', b"a,a\n1,2\n"])
def test_bytes_without_a_valid_table_are_refused_or_have_undecided_settings(data: bytes) -> None:
    report = _inspected(data, {})
    assert report is None or report.open


@given(data=st.binary(max_size=300) | st.text(st.sampled_from('a1,;"\n\t.-/ é'), max_size=200).map(str.encode))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_inspected_without_a_traceback(data: bytes) -> None:
    _inspected(data, {})

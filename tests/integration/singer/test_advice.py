"""Test that the dashboard finds the setting that the tap suggests for a bad row, and ignores the text of the row."""

from __future__ import annotations

import pytest

from data_stack.streamlit.views.quarantine import setting_of
from tests.kit.singer import Kit


@pytest.mark.parametrize(
    ("kind", "value", "setting"),
    [
        ("decimal", "1.234", 'declare decimal: "." or decimal: ","'),
        ("decimal", "(12.50)", "declare negatives: [parentheses]"),
        ("decimal", "12.50-", "declare negatives: [trailing_minus]"),
        ("decimal", "€ 12.50", "a sign must be in currency_signs"),
        ("decimal", "12.50 DR", ""),
        ("decimal", "12.50 D", ""),
        ("decimal", "c 50,00", ""),
        ("decimal", "DB12.50", ""),
        ("decimal", "kr 12.50", "a sign must be in currency_signs"),
        ("decimal", "5 Mio", "correct the file, or declare string in columns"),
        ("decimal", "1.2k", "correct the file, or declare string in columns"),
        ("decimal", "1:30", "correct the file, or declare string in columns"),
        ("decimal", "(-12.50)", "correct the file, or declare string in columns"),
        ("decimal", "12,-", "correct the file, or declare string in columns"),
        ("date", "2026-01-31\t", ""),
        ("date", "31.02.2026", 'declare the order of the numbers, for example date_formats: ["%d.%m.%Y"]'),
        ("date", "2026-02-31", ""),
        ("date", "0000-00-00", "if it stands for no value, declare it in null_words"),
        ("date", "1900-01-00", "if it stands for no value, declare it in null_words"),
        ("date", "46027", ""),
        ("date", "\u200e2026-01-31", ""),
        ("decimal", "\u200b12.50", ""),
        ("decimal", "12.5 %", "a sign must be in currency_signs"),
        ("decimal", "n/a", "if it stands for no value, declare it in null_words"),
        ("decimal", "1 234,5 6", "declare decimal and thousands"),
        ("date", "01/02/2026", 'declare the order of the numbers, for example date_formats: ["%d/%m/%Y"]'),
        ("date", "01.02.26", 'declare the order of the numbers, for example date_formats: ["%d.%m.%y"]'),
        ("date", "3021-01-01", "if it is correct, set earliest_date or latest_date"),
        ("decimal", "x; declare decimal", "if it stands for no value, declare it in null_words"),
        ("decimal", "x'; declare decimal", "if it stands for no value, declare it in null_words"),
        ("integer", "12.5", ""),
    ],
)
def test_suggested_setting_is_found_in_the_reason_that_the_tap_gives(
    kit: Kit, kind: str, value: str, setting: str
) -> None:
    good = "2026-01-31" if kind == "date" else "7"
    rows = "".join(f"{number},{good}\n" for number in range(9))
    done = kit.tap(kit.csv(f'id,v\n{rows}x,"{value}"\n'), entity={"columns": {"v": kind}})
    assert done.code == 0, done.error
    (row,) = kit.quarantined
    assert setting_of(row["reason"]) == setting, row["reason"]


@pytest.mark.parametrize(
    ("line", "setting"),
    [
        ("Total,5", "declare it in ignore_rows, or ignore_rows: [] if it is data"),
        ("9", ""),
        ("9,1,", "if all rows end with a delimiter that the header lacks, set row_end: delimiter"),
        (",", None),
    ],
)
def test_advice_is_given_for_a_total_row_and_an_additional_delimiter_but_not_for_a_missing_field(
    kit: Kit, line: str, setting: str | None
) -> None:
    done = kit.tap(kit.csv(f"id,v\n1,2\n{line}\n"), entity={"columns": {"v": "decimal"}})
    assert done.code == 0, done.error
    assert [setting_of(row["reason"]) for row in kit.quarantined] == ([] if setting is None else [setting])

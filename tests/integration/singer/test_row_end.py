"""Load rows that end with an extra delimiter, which the header lacks, as in the exports of some banks."""

from __future__ import annotations

import pytest

from tests.kit.singer import Kit

HEADER = "id,text,amount,slip\n"
DECLARED = {"columns": {"amount": "decimal"}, "row_end": "delimiter"}


@pytest.mark.parametrize("quoted", ["ACME Inc", '"ACME, Inc"', '"two\nlines"'])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_rows_that_end_with_an_extra_delimiter_are_loaded_if_row_end_is_declared(
    kit: Kit, quoted: str, end: str
) -> None:
    text = (HEADER + f"1,{quoted},-12.00,,\n2,x,5.50,1001,\n\n,,,,\n").replace("\n", end)
    kit.load(kit.csv(text), entity=DECLARED)
    assert kit.counts["quarantined"] == 0
    assert kit.query("SELECT id, amount::VARCHAR, slip FROM t ORDER BY id") == [
        ("1", "-12.0000", None), ("2", "5.5000", "1001"),
    ]  # fmt: skip
    assert kit.query("SELECT column_name FROM information_schema.columns WHERE column_name IN ('', 'column4')") == []


def test_row_is_quarantined_if_the_extra_delimiter_is_missing_or_has_a_value_after_it(kit: Kit) -> None:
    kit.load(kit.csv(HEADER + "1,a,1.00,,\n2,b,2.00,,oops\n3,c,3.00,\n"), entity=DECLARED)
    assert sorted((row["line"], row["reason"]) for row in kit.quarantined) == [
        (3, "a value in field 5, which has no name in the header"), (4, "4 fields, but the header has 5"),
    ]  # fmt: skip


@pytest.mark.parametrize("row", ["1,a,1.00,,\n", '1,"a, b",1.00,,\n', "1,12,50,,\n"])
def test_error_for_rows_that_end_with_an_extra_delimiter_names_the_setting_row_end(kit: Kit, row: str) -> None:
    done = kit.tap(kit.csv(HEADER + row), report_path=None)
    assert done.code == 1 and "5 fields, but the header has 4; if all rows end with a delimiter" in done.sentence
    assert "set row_end: delimiter" in done.sentence


def test_error_for_an_extra_field_with_a_value_does_not_suggest_row_end(kit: Kit) -> None:
    done = kit.tap(kit.csv(HEADER + "1,a,1.00,,oops\n"), report_path=None)
    assert done.code == 1 and "5 fields, but the header has 4" in done.sentence and "row_end" not in done.sentence

"""Load bad and unusual input: it is refused with one sentence, quarantined with the reason, or loaded exactly."""

from __future__ import annotations

import gzip
from datetime import date
from decimal import Decimal

import pytest

from tests.kit.singer import Kit

_NOTHING = "if it stands for no value, declare it in null_words"


def refused(kit: Kit, *needles: str, text: bytes | str | None = None, **settings: object) -> None:
    """Assert that the tap fails with one sentence, which contains all needles, and that the tap emits no row."""
    path = kit.csv(text) if text is not None else kit.folder / "t.csv"
    done = kit.tap(path, report_path=None, **settings)  # type: ignore[arg-type]
    assert done.code == 1
    assert "Traceback" not in done.error
    assert not [m for m in done.messages if m["type"] in ("RECORD", "BATCH")]
    for needle in needles:
        assert needle in done.sentence


def test_missing_file_is_refused(kit: Kit) -> None:
    refused(kit, "t.csv", "is missing")


def test_folder_instead_of_a_file_is_refused(kit: Kit) -> None:
    (kit.folder / "t.csv").mkdir()
    refused(kit, "is not a file")


def test_path_pattern_that_matches_no_file_is_refused(kit: Kit) -> None:
    done = kit.tap(kit.folder / "*.tsv")
    assert done.code == 1
    assert "no file matches" in done.sentence


def test_empty_file_is_refused(kit: Kit) -> None:
    refused(kit, "t.csv is empty", text="")


def test_declared_delimiter_that_does_not_match_the_file_is_refused(kit: Kit) -> None:
    refused(kit, "lacks 'id'", "';'", text="id,name\n1,a\n", delimiter=";")


def test_header_whose_names_differ_only_in_case_is_refused(kit: Kit) -> None:
    refused(kit, "'id' more than once", text="id,ID\n1,2\n")


def test_file_that_lacks_a_column_with_a_declared_type_is_refused(kit: Kit) -> None:
    refused(kit, "lacks 'amount'", text="id,x\n1,2\n", entity={"columns": {"amount": "decimal"}})


def test_declared_column_type_that_does_not_exist_is_refused(kit: Kit) -> None:
    refused(kit, "'money'", text="id,x\n1,2\n", entity={"columns": {"x": "money"}})


def test_latin_1_file_without_a_declared_encoding_is_refused_with_line_and_byte(kit: Kit) -> None:
    refused(kit, "not valid utf-8 at byte 15, line 3", "encoding", text="id,name\n1,a\n2,Zürich\n".encode("latin-1"))


def test_latin_1_file_is_loaded_if_its_encoding_is_declared(kit: Kit) -> None:
    kit.load(kit.csv("id,name\n1,Zürich\n".encode("latin-1")), encoding="latin-1")
    assert kit.query("SELECT name FROM t") == [("Zürich",)]


def test_byte_order_mark_overrides_the_declared_encoding(kit: Kit) -> None:
    for settings in ({}, {"encoding": "utf-16"}, {"encoding": "cp1252"}):
        kit.load(kit.csv("id,name\n1,Zürich\n".encode("utf-16")), **settings)
        assert kit.query("SELECT id, name FROM t") == [("1", "Zürich")]


def test_row_with_invalid_bytes_in_a_utf_8_file_is_quarantined(kit: Kit) -> None:
    kit.load(kit.csv("id,name\n1,Zürich\n2,Köln\n".encode() + b"3,\xff\xfe\n4,x\n"))
    assert kit.counts["quarantined"] == 1
    assert kit.quarantined[0]["line"] == 4
    assert kit.quarantined[0]["raw"] == "3,\\xff\\xfe"
    assert kit.query("SELECT count(*) FROM t") == [(3,)]


def test_damaged_gzip_is_refused(kit: Kit) -> None:
    refused(kit, "damaged gzip", text=gzip.compress(b"id,name\n1,a\n" * 1000)[:-20])


def test_gzip_is_detected_by_its_content(kit: Kit) -> None:
    kit.load(kit.csv(gzip.compress(b"id,name\n1,a\n")))
    assert kit.query("SELECT * FROM t") == [("1", "a")]


@pytest.mark.parametrize("batch", [True, False])
def test_header_without_rows_gives_an_empty_table(kit: Kit, batch: bool) -> None:
    kit.load(kit.csv("id,name\n"), batch=batch)
    assert kit.counts["read"] == 0
    assert kit.loaded == {"schema": "main", "received": 0, "loaded": 0, "replaced": 0}
    assert kit.query("SELECT count(*) FROM t") == [(0,)]


def test_byte_order_mark_is_not_part_of_the_header(kit: Kit) -> None:
    kit.load(kit.csv(b"\xef\xbb\xbfid,name\n1,a\n"))
    assert kit.query("SELECT id FROM t") == [("1",)]


def test_line_of_50_mb_is_quarantined(kit: Kit) -> None:
    kit.load(kit.csv(b"id,name\n1,a\n2," + b"x" * 50_000_000 + b"\n3,c\n"))
    assert kit.counts["read"] == 3
    (row,) = kit.quarantined
    assert row["line"] == 3
    assert "50000003 bytes, longer than max_record_bytes" in row["reason"]
    assert len(row["raw"]) == 64 * 1024
    assert kit.query("SELECT id FROM t ORDER BY id") == [("1",), ("3",)]


def test_quarantined_long_line_is_loaded_once_the_setting_max_record_bytes_allows_it(kit: Kit) -> None:
    file = kit.csv("id,name\n1,a\n2," + "x" * 100 + "\n")
    state = kit.load(file, max_record_bytes=50).state
    assert kit.counts["quarantined"] == 1
    kit.load(file, max_record_bytes=200, state=state)
    assert kit.query("SELECT id, strlen(name) FROM t ORDER BY id") == [("1", 1), ("2", 100)]


def test_line_of_10_mb_is_loaded(kit: Kit) -> None:
    kit.load(kit.csv(b"id,name\n1,a\n2," + b"x" * 10_000_000 + b"\n3,c\n"))
    assert kit.query("SELECT id, strlen(name) FROM t ORDER BY id") == [("1", 1), ("2", 10_000_000), ("3", 1)]


def test_each_bad_row_is_quarantined_with_its_reason(kit: Kit) -> None:
    text = 'id,amount\n1,1.50\n2\n3,4,5\n,6\n7,abc\n8,"9\n"x\n10,"11"\n\n12,13,\n14,"1""5"\n16,17\x00\n'
    kit.load(kit.csv(text), entity={"columns": {"amount": "decimal(10,2)"}})
    assert kit.counts == kit.counts | {"read": 10, "emitted": 2, "quarantined": 8}
    reasons = {row["line"]: row["reason"] for row in kit.quarantined}
    assert reasons == {
        3: "1 fields, but the header has 2",
        4: "3 fields, but the header has 2",
        5: "key id is empty",
        6: "column amount: 'abc' is not a number; " + _NOTHING,
        7: "quotes are not closed or not doubled: ',' expected after '\"'; the record spans 2 lines, from 7 to 8",
        11: "3 fields, but the header has 2; if all rows end with a delimiter that the header lacks, "
        "set row_end: delimiter",
        12: "column amount: '1\"5' is not a number; correct the file, or declare string in columns",
        13: "contains a NUL byte",
    }
    assert [row["raw"] for row in kit.quarantined if row["line"] in (5, 7)] == ['8,"9\n"x', ",6"]
    assert kit.query("SELECT id, amount::VARCHAR FROM t ORDER BY id") == [("1", "1.50"), ("10", "11.00")]


def test_record_with_an_unclosed_quote_is_quarantined_up_to_the_end_of_the_file(kit: Kit) -> None:
    kit.load(kit.csv('id,name\n1,a\n2,"b\n3,c\n'))
    assert kit.counts["read"] == 2
    assert kit.quarantined[0]["raw"] == '2,"b\n3,c'


def test_columns_without_a_declared_type_are_loaded_as_text(kit: Kit) -> None:
    rows = [f"{i},{i},{i}.50,2024-01-01,00{i},true" for i in range(1, 3001)]
    rows += [f"{i},{i}.10,x,2024-01-01 10:00:00,{i},99999999999999999999" for i in range(3001, 6001)]
    kit.load(kit.csv("id,a,b,c,d,e\n" + "\n".join(rows) + "\n"))
    types = dict(kit.query("SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = 't'"))
    assert set(types.values()) == {"VARCHAR"}
    found = kit.query("SELECT a, b, c, d FROM t WHERE id IN ('7', '3001') ORDER BY id DESC")
    assert found == [("7", "7.50", "2024-01-01", "007"), ("3001.10", "x", "2024-01-01 10:00:00", "3001")]


def test_decimal_values_are_loaded_exactly(kit: Kit) -> None:
    values = ["0.10", "12.3", "-0.00", "12345678901234567890.123456789012345678", "1e-05", "0.000000000000000001"]
    path = kit.csv("id,v\n" + "".join(f"{i},{v}\n" for i, v in enumerate(values)))
    kit.load(path, entity={"columns": {"v": "decimal"}})
    assert [v for (v,) in kit.query("SELECT v FROM t ORDER BY id")] == [Decimal(value) for value in values]


def test_decimal_column_that_was_widened_stays_wide_in_later_loads(kit: Kit) -> None:
    columns = {"columns": {"v": "decimal"}}
    state = kit.load(kit.csv("id,v\n1,1.25\n"), entity=columns).state
    assert kit.query("SELECT typeof(v), v FROM t") == [("DECIMAL(18,4)", Decimal("1.25"))]
    state = kit.load(kit.csv("id,v\n2,0.00014884\n"), entity=columns, state=state).state
    kit.load(kit.csv("id,v\n3,7.5\n"), entity=columns, state=state)
    assert kit.query("SELECT typeof(v), v FROM t ORDER BY id") == [
        ("DECIMAL(38,18)", Decimal("1.25")), ("DECIMAL(38,18)", Decimal("0.00014884")),
        ("DECIMAL(38,18)", Decimal("7.5")),
    ]  # fmt: skip


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiter_is_detected(kit: Kit, delimiter: str) -> None:
    kit.load(
        kit.csv(delimiter.join(['"id"', "a,b", "c"]).replace("a,b", '"a,b"') + "\n" + delimiter.join("1xy") + "\n")
    )
    assert kit.query('SELECT id, "a,b", c FROM t') == [("1", "x", "y")]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("1,epoch,5", "column day: 'epoch' is not a date like 2026-12-31"),
        ("1,infinity,5", "column day: 'infinity' is not a date like 2026-12-31"),
        ("1,2024-02-30,5", "column day: '2024-02-30' is not a date of the calendar"),
        ("1,2024-01-05 garbage,5", "column day: '2024-01-05 garbage' is not a date like 2026-12-31"),
        ("1,31/01/2024,5", 'declare the order of the numbers, for example date_formats: ["%d/%m/%Y"]'),
        ("1,31.01.24,5", "a year of two digits"),
        ("1,0026-01-05,5", "set earliest_date or latest_date"),
        ("1,2924-01-01,5", "set earliest_date or latest_date"),
        ("1,2024-01-01,1_000", "column amount: '1_000' is not a number"),
        ("1,2024-01-01,$5", "currency_signs"),
        ("1,2024-01-01,(5)", "negatives: [parentheses]"),
        ("1,2024-01-01,5-", "negatives: [trailing_minus]"),
        ("1,2024-01-01,1e-30", "more than 20 digits before the point or more than 18 decimal places"),
        ("1,2024-01-01,1000000000000000000000", "more than 20 digits"),
        ("  ,2024-01-01,5", "key id is empty"),
        ("\u00a0\u3000,2024-01-01,5", "key id is empty"),
        ("Total,,5", "looks like a total row; declare it in ignore_rows"),
        ("Summe:,,5", "looks like a total row"),
    ],
)
def test_row_is_quarantined_if_a_value_is_unreadable_or_its_key_is_empty_or_it_looks_like_a_total_row(
    kit: Kit, row: str, reason: str
) -> None:
    greatest = "2,2024-01-01,99999999999999.9999"
    kit.load(kit.csv(f"id,day,amount\n{row}\n{greatest}\n"), entity=_DAYS)
    ((line, why),) = [(bad["line"], bad["reason"]) for bad in kit.quarantined]
    assert line == 2 and reason in why
    assert kit.query("SELECT id, amount::VARCHAR FROM t") == [("2", "99999999999999.9999")]


_DAYS = {"columns": {"day": "date", "amount": "decimal"}}


def test_date_without_delimiters_and_without_leading_zeros_is_quarantined(kit: Kit) -> None:
    entity = {"columns": {"day": "date"}, "date_formats": ["%Y%m%d"]}
    kit.load(kit.csv("id,day\n1,20260115\n2,2026115\n3,202615\n"), entity=entity)
    assert kit.query("SELECT id, day::VARCHAR FROM t") == [("1", "2026-01-15")]


def test_empty_value_becomes_null_and_a_timestamp_in_a_date_column_becomes_its_date(kit: Kit) -> None:
    kit.load(kit.csv("id,day,amount\n1,2024-01-31T10:00:00Z,1.50\n2,,\n3,2024-01-31, \n"), entity=_DAYS)
    day = date(2024, 1, 31)
    assert kit.query("SELECT * FROM t ORDER BY id") == [("1", day, Decimal("1.5")), ("2", None, None), ("3", day, None)]
    refused(kit, "lacks 'day'", text="id,amount\n1,2\n", entity=_DAYS)

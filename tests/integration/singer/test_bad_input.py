"""Bad input: a clear sentence or a quarantined row each, nothing lost, counts exact."""

from __future__ import annotations

import gzip

import pytest

from tests.kit.singer import Kit


def refused(kit: Kit, *needles: str, text: bytes | str | None = None, **settings: object) -> None:
    """The tap fails with one sentence that names all needles, and has emitted no row."""
    path = kit.csv(text) if text is not None else kit.folder / "t.csv"
    done = kit.tap(path, **settings)  # type: ignore[arg-type]
    assert done.code == 1
    assert "Traceback" not in done.error
    assert not [m for m in done.messages if m["type"] in ("RECORD", "BATCH")]
    for needle in needles:
        assert needle in done.sentence


def test_missing_file(kit: Kit) -> None:
    refused(kit, "t.csv", "is missing")


def test_folder_instead_of_a_file(kit: Kit) -> None:
    (kit.folder / "t.csv").mkdir()
    refused(kit, "is not a file")


def test_glob_without_a_match(kit: Kit) -> None:
    done = kit.tap(kit.folder / "*.tsv")
    assert done.code == 1
    assert "no file matches" in done.sentence


def test_empty_file(kit: Kit) -> None:
    refused(kit, "t.csv is empty", text="")


def test_wrong_delimiter(kit: Kit) -> None:
    refused(kit, "lacks 'id'", "';'", text="id,name\n1,a\n", delimiter=";")


def test_header_named_twice(kit: Kit) -> None:
    refused(kit, "'id' more than once", text="id,ID\n1,2\n")


def test_column_of_a_declared_type_is_missing(kit: Kit) -> None:
    refused(kit, "lacks 'amount'", text="id,x\n1,2\n", entity={"columns": {"amount": "number"}})


def test_unknown_type(kit: Kit) -> None:
    refused(kit, "'money'", text="id,x\n1,2\n", entity={"columns": {"x": "money"}})


def test_latin_1_is_named_with_line_and_byte(kit: Kit) -> None:
    refused(kit, "not valid utf-8 at byte 15, line 3", "encoding", text="id,name\n1,a\n2,Zürich\n".encode("latin-1"))


def test_latin_1_with_its_setting(kit: Kit) -> None:
    kit.load(kit.csv("id,name\n1,Zürich\n".encode("latin-1")), encoding="latin-1")
    assert kit.query("SELECT name FROM t") == [("Zürich",)]


def test_utf_16_by_its_mark_and_its_setting(kit: Kit) -> None:
    refused(kit, "utf-16", text="id,name\n1,Zürich\n".encode("utf-16"))
    kit.load(kit.folder / "t.csv", encoding="utf-16")
    assert kit.query("SELECT id, name FROM t") == [(1, "Zürich")]


def test_a_damaged_row_in_a_utf_8_file_is_quarantined(kit: Kit) -> None:
    kit.load(kit.csv("id,name\n1,Zürich\n2,Köln\n".encode() + b"3,\xff\xfe\n4,x\n"))
    assert kit.counts["quarantined"] == 1
    assert kit.quarantined[0]["line"] == 4
    assert kit.quarantined[0]["raw"] == "3,\\xff\\xfe"
    assert kit.query("SELECT count(*) FROM t") == [(3,)]


def test_damaged_gzip(kit: Kit) -> None:
    refused(kit, "damaged gzip", text=gzip.compress(b"id,name\n1,a\n" * 1000)[:-20])


def test_gzip_is_known_by_its_content(kit: Kit) -> None:
    kit.load(kit.csv(gzip.compress(b"id,name\n1,a\n")))
    assert kit.query("SELECT * FROM t") == [(1, "a")]


@pytest.mark.parametrize("batch", [True, False])
def test_header_only(kit: Kit, batch: bool) -> None:
    kit.load(kit.csv("id,name\n"), batch=batch)
    assert kit.counts["read"] == 0
    assert kit.loaded == {"schema": "main", "received": 0, "loaded": 0, "replaced": 0}
    assert kit.query("SELECT count(*) FROM t") == [(0,)]


def test_byte_order_mark(kit: Kit) -> None:
    kit.load(kit.csv(b"\xef\xbb\xbfid,name\n1,a\n"))
    assert kit.query("SELECT id FROM t") == [(1,)]


def test_a_line_of_50_mb(kit: Kit) -> None:
    kit.load(kit.csv(b"id,name\n1,a\n2," + b"x" * 50_000_000 + b"\n3,c\n"))
    assert kit.counts["read"] == 3
    (row,) = kit.quarantined
    assert row["line"] == 3
    assert "50000003 bytes, longer than max_record_bytes" in row["reason"]
    assert len(row["raw"]) == 64 * 1024
    assert kit.query("SELECT id FROM t ORDER BY id") == [(1,), (3,)]


def test_a_line_of_10_mb_is_loaded(kit: Kit) -> None:
    kit.load(kit.csv(b"id,name\n1,a\n2," + b"x" * 10_000_000 + b"\n3,c\n"))
    assert kit.query("SELECT id, strlen(name) FROM t ORDER BY id") == [(1, 1), (2, 10_000_000), (3, 1)]


def test_rows_that_are_bad_by_themselves(kit: Kit) -> None:
    text = 'id,amount\n1,1.50\n2\n3,4,5\n,6\n7,abc\n8,"9\n"x\n10,"11"\n\n12,13,\n14,"1""5"\n16,17\x00\n'
    kit.load(kit.csv(text), entity={"columns": {"amount": "decimal(10,2)"}})
    assert kit.counts == kit.counts | {"read": 10, "emitted": 2, "quarantined": 8}
    reasons = {row["line"]: row["reason"] for row in kit.quarantined}
    assert reasons == {
        3: "1 fields where the header has 2",
        4: "3 fields where the header has 2",
        5: "key id is empty",
        6: "column amount is no decimal",
        7: "quotes are not closed or not doubled: ',' expected after '\"'",
        11: "3 fields where the header has 2",
        12: "column amount is no decimal",
        13: "holds a NUL byte",
    }
    assert [row["raw"] for row in kit.quarantined if row["line"] in (5, 7)] == ['8,"9\n"x', ",6"]
    assert kit.query("SELECT id, amount::VARCHAR FROM t ORDER BY id") == [(1, "1.50"), (10, "11.00")]


def test_an_open_quote_takes_the_rest_of_the_file_as_one_record(kit: Kit) -> None:
    kit.load(kit.csv('id,name\n1,a\n2,"b\n3,c\n'))
    assert kit.counts["read"] == 2
    assert kit.quarantined[0]["raw"] == '2,"b\n3,c'


def test_a_column_that_changes_type_half_way_is_widened(kit: Kit) -> None:
    rows = [f"{i},{i},{i}.50,2024-01-01,00{i},{i}" for i in range(1, 3001)]
    rows += [f"{i},{i}.123,x,2024-01-01 10:00:00,{i},99999999999999999999" for i in range(3001, 6001)]
    kit.load(kit.csv("id,a,b,c,d,e\n" + "\n".join(rows) + "\n"))
    types = dict(kit.query("SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = 't'"))
    assert types == {
        "id": "BIGINT", "a": "DECIMAL(18,3)", "b": "VARCHAR", "c": "TIMESTAMP", "d": "VARCHAR", "e": "DECIMAL(38,0)"
    }  # fmt: skip
    found = kit.query("SELECT a::VARCHAR, b, c::VARCHAR, d FROM t WHERE id IN (7, 3001) ORDER BY id")
    assert found == [("7.000", "7.50", "2024-01-01 00:00:00", "007"), ("3001.123", "x", "2024-01-01 10:00:00", "3001")]
    assert kit.query("SELECT count(*) FROM t WHERE columns(*) IS NULL") == [(0,)]


def test_numbers_are_exact(kit: Kit) -> None:
    values = ["0.10", "12.3", "-0.00", "123456789012345678901234567890.12"]
    kit.load(kit.csv("id,v\n" + "".join(f"{i},{v}\n" for i, v in enumerate(values))))
    assert kit.query("SELECT v::VARCHAR FROM t ORDER BY id") == [
        ("0.10",), ("12.30",), ("0.00",), ("123456789012345678901234567890.12",)
    ]  # fmt: skip


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(kit: Kit, delimiter: str) -> None:
    kit.load(
        kit.csv(delimiter.join(['"id"', "a,b", "c"]).replace("a,b", '"a,b"') + "\n" + delimiter.join("1xy") + "\n")
    )
    assert kit.query('SELECT id, "a,b", c FROM t') == [(1, "x", "y")]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("1,epoch,5", "column day is no day"),
        ("1,2024-01-01,1_000", "column amount is no decimal"),
        ("1,2024-01-01,100000000000000", "column amount is no decimal"),
        ("  ,2024-01-01,5", "key id is empty"),
    ],
)
def test_what_duckdb_reads_and_nobody_means_is_a_bad_row(kit: Kit, row: str, reason: str) -> None:
    greatest = "2,2024-01-01,99999999999999.9999"
    kit.load(kit.csv(f"id,day,amount\n{row}\n{greatest}\n"), entity={"columns": {"day": "day", "amount": "decimal"}})
    assert [(bad["line"], bad["reason"]) for bad in kit.quarantined] == [(2, reason)]
    assert kit.query("SELECT id::VARCHAR, amount::VARCHAR FROM t") == [("2", "99999999999999.9999")]


def test_a_form_parts_what_can_be_read_from_what_cannot_and_leaves_the_type_open(kit: Kit) -> None:
    days = ["2024-01-31", "2024-02-30", "infinity", "31/01/2024", "2024-01-31T10:00:00Z", ""]
    kit.load(
        kit.csv(
            "id,day,amount\n" + "".join(f"{i},{day},{i}.50\n" for i, day in enumerate(days)) + "6,,1.234,5\n7,,x\n"
        ),
        entity={"columns": {"day": "day", "amount": "decimal"}},
    )
    assert {row["line"]: row["reason"] for row in kit.quarantined} == {
        3: "column day is no day", 4: "column day is no day", 5: "column day is no day",
        8: "4 fields where the header has 3", 9: "column amount is no decimal",
    }  # fmt: skip
    assert kit.query("SELECT id, amount::VARCHAR FROM t ORDER BY id") == [(0, "0.50"), (4, "4.50"), (5, "5.50")]
    refused(kit, "lacks 'day'", text="id,amount\n1,2\n", entity={"columns": {"day": "day"}})

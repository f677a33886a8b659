"""Test which files are loaded, which files are refused while other files are loaded, and what the report contains."""

from __future__ import annotations

import os
from decimal import Decimal
from typing import Any

import pytest

from tests.kit.singer import Kit

_TYPED = {"columns": {"day": "date", "amount": "decimal"}}


def test_report_has_the_reason_for_each_refused_file_and_other_files_are_loaded(kit: Kit) -> None:
    kit.csv("id,day,amount\n1,2026-01-01,1.50\n", "a.csv")
    kit.csv("id,day\n2,2026-01-01\n", "b.csv")
    kit.csv("id,day,amount\n" + "".join(f"x{i},0{i % 9}/02/2026,1.50\n" for i in range(30)), "c.csv")
    kit.csv(b"%PDF-1.7", "d.csv")
    kit.csv("", "e.csv")
    kit.load(kit.folder / "*.csv", entity=_TYPED)
    refused = {os.path.basename(file["path"]): file["refused"] for file in kit.counts["files"]}  # noqa: PTH119
    assert refused.pop("a.csv") is None
    words = {
        "b.csv": "lacks 'amount'",
        "c.csv": "30 of 30 rows cannot be loaded",
        "d.csv": "is a PDF",
        "e.csv": "is empty",
    }
    assert refused.keys() == words.keys()
    assert all(name in refused[name] and word in refused[name] for name, word in words.items())
    assert kit.counts == kit.counts | {"read": 1, "emitted": 1, "quarantined": 0}
    assert kit.quarantined == []
    assert kit.query("SELECT id FROM t") == [("1",)]


def test_tap_without_the_setting_report_path_fails_with_a_reason_for_each_file_if_all_are_refused(kit: Kit) -> None:
    kit.csv("x\n1\n", "a.csv")
    kit.csv("", "b.csv")
    done = kit.tap(kit.folder / "*.csv", report_path=None)
    assert done.code == 1 and done.out == ""
    assert "lacks 'id'" in done.sentence and "b.csv is empty" in done.sentence


@pytest.mark.parametrize("entity", [_TYPED, {"generated_key": "key", "constants": {"day": "x"}}])
def test_table_has_the_declared_columns_and_no_row_if_every_file_is_refused(kit: Kit, entity: dict[str, Any]) -> None:
    kit.csv("%PDF-1.7", "a.csv")
    kit.csv("", "b.csv")
    kit.load(kit.folder / "*.csv", entity=entity, keys=() if "generated_key" in entity else ("id",))
    assert [bool(file["refused"]) for file in kit.counts["files"]] == [True, True]
    columns = [name for name, *_ in kit.query("DESCRIBE t")]
    assert columns == (["key", "day"] if "generated_key" in entity else ["id", "day", "amount"])
    assert kit.query("SELECT count(*) FROM t") == [(0,)]


def test_empty_file_is_reported_and_no_schema_is_sent_if_no_key_or_column_is_declared(kit: Kit) -> None:
    kit.csv("", "a.csv")
    done = kit.tap(kit.folder / "a.csv", keys=())
    assert done.code == 0 and not [message for message in done.messages if message["type"] == "SCHEMA"]
    assert "a.csv is empty" in kit.counts["files"][0]["refused"]


def test_rows_stay_in_the_table_if_a_corrected_version_of_their_file_is_refused(kit: Kit) -> None:
    file = kit.csv("id,day,amount,more\n1,2026-01-01,1.50,x\n")
    state = kit.load(file, entity=_TYPED).state
    kit.csv("id,day\n1,2026-01-02\n")
    for kind in ("decimal", "boolean"):
        kit.load(file, entity={"columns": {"day": "date", "amount": kind}}, state=state)
        assert "lacks 'amount'" in kit.counts["files"][0]["refused"]
        assert kit.query("SELECT id, amount, more FROM t") == [("1", Decimal("1.5000"), "x")]


def test_text_column_changes_to_a_newly_declared_type_once_all_its_values_fit(kit: Kit) -> None:
    kinds: list[str] = []
    state: dict[str, Any] = {}
    files = [kit.csv("id,v\n1,1.50\n2,7\n", "a.csv"), kit.csv("id,v\n3,x\n4,10.5\n", "b.csv")]
    for entity in ({}, {"columns": {"v": "decimal"}}, {"columns": {"v": "decimal"}, "null_words": ["x"]}):
        state = kit.load(*files, entity=entity, state=state).state
        kinds += [kind for (kind,) in kit.query("SELECT DISTINCT typeof(v) FROM t")]
    # The second load quarantines the row with x and keeps x in the table, so the column stays text. The third load
    # reads x as NULL, so the column becomes a decimal.
    assert kinds == ["VARCHAR", "VARCHAR", "DECIMAL(18,4)"]
    assert kit.query("SELECT v FROM t ORDER BY id") == [(Decimal("1.5"),), (Decimal(7),), (None,), (Decimal("10.5"),)]


@pytest.mark.parametrize(("bad", "loads"), [(20, True), (21, False)])
def test_limits_for_bad_lines_apply_to_each_file(kit: Kit, bad: int, loads: bool) -> None:
    """Each line of a bad record counts. A file is refused if over 20 lines and over a fifth of its lines are bad."""
    stray = '1,"' + "\n" * (bad - 1) + 'x"y\n'
    kit.csv("id,note\n" + "".join(f"g{i},x\n" for i in range(60)) + stray, "a.csv")
    kit.csv("id,note\n" + "".join(f"h{i},x\n" for i in range(1000)), "b.csv")
    kit.load(kit.folder / "*.csv")
    first = kit.counts["files"][0]
    assert (first["refused"] is None) == loads
    if loads:
        assert kit.quarantined[0]["lines"] == bad
        assert f"spans {bad} lines" in kit.quarantined[0]["reason"]
    else:
        assert f"1 of 61 rows cannot be loaded (on {bad} lines)" in first["refused"]


def test_touched_or_copied_file_is_skipped_and_a_file_that_gets_its_former_content_again_is_loaded(kit: Kit) -> None:
    old, new = "id,v\n1,old\n", "id,v\n1,new\n"
    state = kit.load(kit.csv(old, "jan.csv")).state
    kit.csv(new, "mar.csv")
    state = kit.load(kit.folder / "*.csv", state=state).state
    os.utime(kit.csv(old, "jan.csv"), (1, 1))
    kit.csv(old, "apr.csv")
    state = kit.load(kit.folder / "*.csv", state=state).state
    assert [(file["read"], file["skipped"]) for file in kit.counts["files"]] == [(0, 1)] * 3
    assert kit.query("SELECT v FROM t") == [("new",)]
    kit.csv(new, "jan.csv")
    state = kit.load(kit.folder / "jan.csv", state=state).state
    assert kit.counts["skipped"] == 1
    kit.csv("id,v\n1,third\n", "jan.csv")
    state = kit.load(kit.folder / "jan.csv", state=state).state
    kit.csv("id,v\n1,fourth\n", "jan.csv")
    state = kit.load(kit.folder / "jan.csv", state=state).state
    kit.csv("id,v\n1,third\n", "jan.csv")  # the file has its former content again
    kit.load(kit.folder / "jan.csv", state=state)
    assert kit.query("SELECT v FROM t") == [("third",)]


def test_file_is_loaded_again_if_it_gets_the_content_of_a_file_that_was_loaded_before_it(kit: Kit) -> None:
    kit.csv("id,v\n1,first\n", "a.csv")
    kit.csv("id,v\n1,second\n", "b.csv")
    state = kit.load(kit.folder / "*.csv").state
    kit.csv("id,v\n1,first\n", "b.csv")
    state = kit.load(kit.folder / "*.csv", state=state).state
    assert kit.query("SELECT v FROM t") == [("first",)]
    os.utime(kit.folder / "a.csv", (1, 1))
    os.utime(kit.folder / "b.csv", (1, 1))
    kit.load(kit.folder / "*.csv", state=state)
    assert kit.counts["skipped"] == 2


def test_column_names_that_differ_only_in_case_are_one_column(kit: Kit) -> None:
    kit.csv("id,Note,amount\n1,x,1.50\n", "a.csv")
    kit.csv("id,AMOUNT,note\n2,0.000000001,y\n", "b.csv")
    entity = {"columns": {"amount": "decimal"}, "header_match": "loose"}
    state = kit.load(kit.folder / "*.csv", entity=entity).state
    rows = [("1", "x", Decimal("1.5")), ("2", "y", Decimal("1e-9"))]
    assert kit.query("SELECT id, note, amount FROM t ORDER BY id") == rows
    kit.csv("id,amount,NOTE\n2,7,z\n", "c.csv")
    kit.load(kit.folder / "*.csv", entity=entity, state=state)
    assert kit.query("SELECT note, amount FROM t WHERE id = '2'") == [("z", Decimal(7))]


@pytest.mark.parametrize("settings", [{"constants": {"currency": "EUR"}}, {"generated_key": "currency", "keys": []}])
def test_file_with_a_column_that_the_settings_add_is_refused_even_if_the_names_differ_in_case(
    kit: Kit, settings: dict[str, Any]
) -> None:
    kit.csv("id,Currency\n1,USD\n", "a.csv")
    kit.csv("id,v\n2,x\n", "b.csv")
    kit.load(kit.folder / "*.csv", entity=settings)
    assert "'Currency' is in the file and in the settings" in kit.counts["files"][0]["refused"]
    assert kit.query("SELECT id FROM t") == [("2",)]


def test_files_are_loaded_again_in_the_order_of_their_first_loads_after_a_change_of_settings(kit: Kit) -> None:
    state = kit.load(kit.csv("id,v\n1,01/02/2026\n2,2026-01-01\n", "z.csv"), entity={"columns": {"v": "date"}}).state
    assert kit.counts["quarantined"] == 1
    kit.csv("id,v\n2,2026-01-02\n", "a.csv")  # loaded after z.csv, although the name a.csv sorts first
    state = kit.load(kit.folder / "*.csv", entity={"columns": {"v": "date"}}, state=state).state
    kit.load(kit.folder / "*.csv", entity={"columns": {"v": "date"}, "date_formats": ["iso", "%d/%m/%Y"]}, state=state)
    assert kit.query("SELECT id, v::VARCHAR FROM t ORDER BY id") == [("1", "2026-02-01"), ("2", "2026-01-02")]


@pytest.mark.parametrize("more", ["", 'x,"a\nb"\n'])
def test_row_with_a_null_word_as_key_is_quarantined(kit: Kit, more: str) -> None:
    kit.load(kit.csv(f"id,v\n n/a ,1\nn/a,2\n3,n/a\n{more}"), entity={"null_words": ["n/a"]})
    assert [(row["line"], row["reason"]) for row in kit.quarantined] == [
        (line, "key id is empty or one of null_words") for line in (2, 3)
    ]
    assert kit.query("SELECT id, v FROM t WHERE id <> 'x'") == [("3", None)]


def test_rows_before_the_bookmark_are_loaded_again_after_a_change_of_settings(kit: Kit) -> None:
    entity = {"incremental": "column", "replication_key": "at", "columns": {"at": "datetime"}}
    file = kit.csv("id,at\n1,2026-01-01T23:30:00Z\n2,2026-07-01T23:30:00Z\n")
    state = kit.load(file, entity=entity).state
    state = kit.load(file, entity=entity | {"timezone": "Europe/Berlin"}, state=state).state
    rows = [("1", "2026-01-02 00:30:00"), ("2", "2026-07-02 01:30:00")]
    assert kit.query('SELECT id, "at"::VARCHAR FROM t ORDER BY id') == rows
    kit.load(file, entity=entity | {"timezone": "Europe/Berlin"}, state=state)
    assert kit.counts["skipped"] == 1


def test_row_in_two_overlapping_files_gets_the_same_generated_key_in_both(kit: Kit) -> None:
    entity = {"generated_key": "row"}
    kit.load(kit.csv("day,v\n1,a\n1,a\n2,b\n"), keys=(), entity=entity)
    kit.load(kit.csv("v,day,extra\na,1,\na,1,\nb,2,\nc,3,\n"), keys=(), entity=entity)
    assert kit.query("SELECT day, v FROM t ORDER BY ALL") == [("1", "a"), ("1", "a"), ("2", "b"), ("3", "c")]
    assert kit.query("SELECT count(DISTINCT row) FROM t") == [(4,)]


@pytest.mark.parametrize(
    "changed", [{"renames": {"v": "amount"}}, {"null_words": ["-"]}, {"null_words": ["-"], "columns": {"v": "decimal"}}]
)
def test_generated_key_of_a_row_is_the_same_before_and_after_a_change_of_settings(
    kit: Kit, changed: dict[str, Any]
) -> None:
    entity = {"generated_key": "row"}
    state = kit.load(kit.csv("day,v,note\n1,2.5,-\n1,2.5,-\n2,4,b\n"), keys=(), entity=entity).state
    kit.load(kit.folder / "t.csv", keys=(), entity=entity | changed, state=state)
    assert kit.query("SELECT count(*), count(DISTINCT row) FROM t") == [(3, 3)]
    assert kit.loaded == kit.loaded | {"received": 3, "loaded": 3}


def test_debit_and_credit_become_one_signed_column(kit: Kit) -> None:
    entity = {"debit_credit": {"amount": {"debit": "out", "credit": "in"}}, "decimal": ",", "constants": {"cur": "EUR"}}
    rows = ['1,"1.234,50",', "2,,7", '3,"0,00","2,00"', "4,,", "5,1,2", "6,,-3"]
    kit.load(kit.csv("id,out,in\n" + "\n".join(rows) + "\n"), entity=entity)
    assert kit.query("SELECT id, amount, cur FROM t ORDER BY id") == [
        ("1", Decimal("-1234.5"), "EUR"), ("2", Decimal(7), "EUR"), ("3", Decimal(2), "EUR"), ("4", None, "EUR"),
    ]  # fmt: skip
    assert [row["line"] for row in kit.quarantined] == [6, 7]


@pytest.mark.parametrize(
    ("form", "text", "local"),
    [
        ("%Y-%m-%d %H:%M:%S UTC", "2026-07-05 23:30:00 UTC", "2026-07-06 01:30:00"),
        ("%d/%m/%Y %H:%M:%SZ", "05/01/2026 23:30:00Z", "2026-01-06 00:30:00"),
        ("%b %d, %Y %I:%M %p (GMT)", "Mar 29, 2026 01:30 AM (GMT)", "2026-03-29 03:30:00"),
        ("%d.%m.%Y %H:%M Uhr", "05.01.2026 23:30 Uhr", "2026-01-05 23:30:00"),
        ("%d.%m.%Y UTC", "05.07.2026 UTC", "2026-07-05 00:00:00"),
        ("%d.%m.%Y %H:%M utc", "05.07.2026 23:30 utc", "2026-07-06 01:30:00"),
        ("%d.%m.%Y %H:%M %z", "05.07.2026 23:30 Z", "2026-07-06 01:30:00"),
        ("%m/%d/%Y, %I:%M %p", "7/5/2026, 1:30\u202fPM", "2026-07-05 13:30:00"),
        ("%Y%m%d%H%M", "202607051330", "2026-07-05 13:30:00"),
    ],
)
def test_time_with_a_zone_is_converted_to_the_declared_time_zone_and_other_times_are_kept(
    kit: Kit, form: str, text: str, local: str
) -> None:
    settings = {"date_formats": [form], "timezone": "Europe/Berlin"}
    kit.load(kit.csv(f'id,moment\n1,"{text}"\n'), entity={"columns": {"moment": "datetime"}} | settings)
    assert kit.query("SELECT moment::VARCHAR FROM t") == [(local,)]


@pytest.mark.parametrize("rows", [3, 500])
def test_file_of_2000_columns_is_loaded(kit: Kit, rows: int) -> None:
    names = [f"n{i}" for i in range(1999)]
    line = ",".join(["1.5"] * 1999)
    path = kit.csv(f"id,{','.join(names)}\n" + "".join(f"{i},{line}\n" for i in range(rows)))
    kit.load(path, entity={"columns": dict.fromkeys(names[:500], "decimal")})
    assert kit.query("SELECT count(*), sum(n0), min(n1998) FROM t") == [(rows, Decimal("1.5") * rows, "1.5")]


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"skip_rows": 2}, "id,v\nnot,this\nid,v\n1,a\n"),
        ({"ignore_rows": ["Saldo", "#"]}, "id,v\n# c,\n1,a\nSaldo alt,5\n"),
        ({"renames": {"Nr": "id"}, "header_match": "loose"}, " NR ,V\n1,a\n"),
        ({"null_words": ["-"]}, "id,v,w\n1,a,-\n"),
        ({}, 'sep=;\n"id";"v"\n1;a\n'),
        ({}, "id,v,,\n1,a,,\n,,,\n"),
        ({"renames": {"": "no"}}, ",id,v\n0,1,a\n"),
    ],
)
def test_file_in_a_declared_or_detected_format_is_loaded(kit: Kit, settings: dict[str, Any], text: str) -> None:
    kit.load(kit.csv(text), entity=settings)
    assert kit.query("SELECT id, v FROM t" if "V" not in text else 'SELECT id, "V" FROM t') == [("1", "a")]
    assert kit.counts["quarantined"] == 0
    if "null_words" in settings:
        assert kit.query("SELECT w FROM t") == [(None,)]

"""Test loads with tap-csv and target-duckdb: load methods, keys, schema changes, state, other taps and targets."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.kit.singer import Kit, run

_REFERENCE = [sys.executable, "-m", "scripts.benchmarks.reference"]


def schema(properties: dict[str, Any], keys: tuple[str, ...] = ("id",)) -> str:
    return json.dumps({"type": "SCHEMA", "stream": "t", "schema": {"properties": properties}, "key_properties": keys})


def record(**values: Any) -> str:
    return json.dumps({"type": "RECORD", "stream": "t", "record": values})


def state(value: int) -> str:
    return json.dumps({"type": "STATE", "value": {"at": value}})


INTEGER, NUMBER, STRING = {"type": ["null", "integer"]}, {"type": ["null", "number"]}, {"type": ["null", "string"]}
EXACT = NUMBER | {"x-sql-datatype": "DECIMAL(18,1)"}
DAY, TIME = STRING | {"format": "date"}, STRING | {"format": "date-time"}


@pytest.mark.parametrize("batch", [True, False])
def test_batch_messages_and_record_messages_load_the_same_values(kit: Kit, batch: bool) -> None:
    values = "1,2024-05-01,2024-05-01 10:00:00,2024-05-01T10:00:00+02:00,true,12.34,007"
    types = {"day": "date", "moment": "datetime", "utc": "datetime", "yes": "boolean", "amount": "decimal(9,2)"}
    kit.load(kit.csv(f"id,day,moment,utc,yes,amount,code\n{values}\n2,,,,,,\n"), batch=batch, entity={"columns": types})
    found = kit.query(
        "SELECT id, day::VARCHAR, moment::VARCHAR, utc::VARCHAR, yes, amount::VARCHAR, code FROM t ORDER BY id"
    )
    assert found == [
        ("1", "2024-05-01", "2024-05-01 10:00:00", "2024-05-01 08:00:00", True, "12.34", "007"),
        ("2", None, None, None, None, None, None),
    ]
    assert kit.loaded == {"schema": "main", "received": 2, "loaded": 2, "replaced": 0}


@pytest.mark.parametrize("batch", [True, False])
def test_last_row_of_the_last_file_with_a_key_is_kept(kit: Kit, batch: bool) -> None:
    kit.csv("id,v\n" + "".join(f"{i % 100},{i}\n" for i in range(1000)), "a.csv")
    kit.csv("id,v\n5,first\n5,last\n", "b.csv")
    kit.load(kit.folder / "*.csv", batch=batch)
    assert kit.query("SELECT count(*), max(v) FILTER (id = '5'), max(v) FILTER (id = '6') FROM t") == [
        (100, "last", "906")
    ]
    assert kit.counts["emitted"] == kit.loaded["received"] == kit.loaded["loaded"] + kit.loaded["replaced"] == 1002
    assert kit.loaded["replaced"] == 902 and kit.loaded["loaded"] == 100


@pytest.mark.parametrize("batch", [True, False])
def test_row_replaced_by_a_later_file_of_the_same_run_is_counted_as_replaced_and_not_as_loaded(
    kit: Kit, batch: bool
) -> None:
    """In the counted run, key 1 is in three files, key 2 in two, and key 9 in one.

    The run also replaces the rows 1 and 9 of an earlier run, but does not count these as replaced.
    """
    kit.load(kit.csv("id,v\n9,old\n1,old\n", "before.csv"), batch=batch)
    assert (kit.loaded["loaded"], kit.loaded["replaced"]) == (2, 0)
    kit.csv("id,v\n1,a\n2,a\n3,a\n", "a.csv")
    kit.csv("id,v\n2,b\n1,b\n1,bb\n9,b\n", "b.csv")
    kit.csv("id,v\n1,c\n4,c\n", "c.csv")
    kit.load(kit.folder / "[abc].csv", batch=batch)
    assert kit.loaded == kit.loaded | {"received": 9, "loaded": 5, "replaced": 4}
    assert kit.query("SELECT id, v FROM t ORDER BY id") == [
        ("1", "c"), ("2", "b"), ("3", "a"), ("4", "c"), ("9", "b")
    ]  # fmt: skip


@pytest.mark.parametrize("batch", [True, False])
def test_columns_with_names_of_sql_keywords_or_internal_columns_of_plugins_are_loaded(kit: Kit, batch: bool) -> None:
    names = ["id", "c0", "line", "begins", "position", "File_Row_Number", "select", 'quo""te', "new\nline", "c0_plain"]
    header = ",".join(f'"{name}"' for name in names)
    row = ",".join("abcdefghi")
    kit.load(kit.csv(f"{header}\n1,{row}\n1,{row[:-1]}z\n2,{row}\n"), batch=batch)
    assert kit.query("SELECT * FROM t ORDER BY id") == [("1", *"abcdefgh", "z"), ("2", *"abcdefghi")]
    assert (kit.loaded["loaded"], kit.loaded["replaced"]) == (2, 1)


@pytest.mark.parametrize("runs", [1, 2])
def test_new_row_replaces_all_values_of_the_earlier_row_with_the_same_key(kit: Kit, runs: int) -> None:
    files = [kit.csv("id,a,b\n1,x,old\n2,y,old\n", "1.csv"), kit.csv("id,a,c\n2,z,new\n3,w,new\n", "2.csv")]
    for group in [files] if runs == 1 else [[file] for file in files]:
        kit.load(*group)
    assert kit.query("SELECT id, a, b, c FROM t ORDER BY id") == [
        ("1", "x", "old", None), ("2", "z", None, "new"), ("3", "w", None, "new")
    ]  # fmt: skip


def test_rows_of_the_table_are_kept_by_the_load_method_append_only_and_replaced_by_overwrite(kit: Kit) -> None:
    messages = kit.tap(kit.csv("id,a\n1,x\n2,y\n")).out
    for method, rows in (("append-only", 2), ("append-only", 4), ("overwrite", 2), ("upsert", 2)):
        assert kit.target(messages, load_method=method).code == 0
        assert kit.query("SELECT count(*) FROM t") == [(rows,)]


def test_rows_of_a_stream_without_keys_are_appended(kit: Kit) -> None:
    messages = kit.tap(kit.csv("id,a\n1,x\n1,x\n"), keys=()).out
    kit.target(messages)
    kit.target(messages)
    assert kit.query("SELECT count(*) FROM t") == [(4,)]


@pytest.mark.parametrize(
    ("old", "new", "kind", "found"),
    [
        ((INTEGER, 1), (EXACT, 2.5), "DECIMAL(38,1)", ["1.0", "2.5"]),
        ((EXACT, 2.5), (INTEGER, 1), "DECIMAL(18,1)", ["2.5", "1.0"]),
        ((INTEGER, 1), (STRING, "x"), "VARCHAR", ["1", "x"]),
        ((STRING, "x"), (INTEGER, 1), "VARCHAR", ["x", "1"]),
        ((DAY, "2024-01-01"), (TIME, "2024-01-01 10:00:00"), "TIMESTAMP",
         ["2024-01-01 00:00:00", "2024-01-01 10:00:00"]),
    ],
)  # fmt: skip
def test_column_gets_a_type_that_holds_old_and_new_values_if_its_type_in_the_schema_changes(
    kit: Kit, old: Any, new: Any, kind: str, found: list[str]
) -> None:
    for number, (of, value) in enumerate((old, new)):
        assert kit.target("\n".join([schema({"id": INTEGER, "v": of}), record(id=number, v=value), ""])).code == 0
    assert kit.query("SELECT v::VARCHAR FROM t ORDER BY id") == [(value,) for value in found]
    assert kit.query("SELECT DISTINCT typeof(v) FROM t") == [(kind,)]


def test_column_with_decimals_of_two_scales_gets_the_larger_scale_if_all_values_fit(kit: Kit) -> None:
    for number, (kind, value) in enumerate([("DECIMAL(38,4)", 12.5), ("DECIMAL(38,18)", 0.00000001)]):
        of = NUMBER | {"x-sql-datatype": kind}
        assert kit.target("\n".join([schema({"id": INTEGER, "v": of}), record(id=number, v=value), ""])).code == 0
    assert kit.query("SELECT typeof(v), v FROM t ORDER BY id") == [
        ("DECIMAL(38,18)", Decimal("12.5")), ("DECIMAL(38,18)", Decimal("0.00000001"))
    ]  # fmt: skip


@pytest.mark.parametrize("batch", [True, False])
@pytest.mark.parametrize(
    ("one", "other"), [("INV-1", "5"), ("5", "INV-1"), ("2024-01-01 10:00:00", "2024-01-02"), ("7.50", "8")]
)
def test_rows_are_replaced_by_key_even_if_the_values_of_the_key_look_like_different_types(
    kit: Kit, one: str, other: str, batch: bool
) -> None:
    for key, value in ((one, "first"), (other, "old"), (other, "new"), (one, "last")):
        kit.load(kit.csv(f"id,v\n{key},{value}\n"), batch=batch)
    assert sorted(kit.query("SELECT v FROM t")) == [("last",), ("new",)]


def test_column_of_integers_and_doubles_becomes_text_if_an_integer_is_too_large_for_a_double(kit: Kit) -> None:
    big = 2**53 + 1
    first = "\n".join([schema({"id": INTEGER, "v": INTEGER}), record(id=1, v=big), ""])
    second = "\n".join([schema({"id": INTEGER, "v": NUMBER}), record(id=2, v=0.5), ""])
    assert kit.target(first).code == kit.target(second).code == 0
    assert kit.query("SELECT v FROM t ORDER BY id") == [(str(big),), ("0.5",)]


def test_later_record_replaces_the_earlier_one_even_if_the_schema_changes_between_them(kit: Kit) -> None:
    messages = [schema({"id": INTEGER, "a": STRING}), record(id=1, a="old")]
    messages += [schema({"id": INTEGER, "a": STRING, "b": INTEGER}), record(id=1, a="new", b=1), state(1), ""]
    done = kit.target("\n".join(messages))
    assert done.state == {"at": 1}
    assert kit.query("SELECT * FROM t") == [(1, "new", 1)]


def test_another_target_loads_the_record_messages_of_tap_csv(kit: Kit) -> None:
    text = "id,date,customer_id,amount,currency,category,description\n1,2024-01-01,C1,12.34,EUR,x,y\n"
    done = kit.tap(kit.csv(text), batch=False, entity={"columns": {"date": "date", "amount": "decimal(18,2)"}})
    config = kit.folder / "other.json"
    config.write_text(json.dumps({"path": str(kit.database)}))
    subprocess.run([*_REFERENCE, "target", "--config", str(config)], input=done.out, text=True, check=True)
    assert kit.query("SELECT id, date::VARCHAR, amount FROM t") == [("1", "2024-01-01", 12.34)]
    assert '"amount":12.34,' in done.out


def test_target_duckdb_loads_the_record_messages_of_another_tap(kit: Kit) -> None:
    text = "id,date,customer_id,amount,currency,category,description\n1,2024-01-01,C1,12.34,EUR,x,y\n"
    config = kit.folder / "other.json"
    config.write_text(json.dumps({"file": str(kit.csv(text))}))
    other = subprocess.run(
        [*_REFERENCE, "tap", "--config", str(config)], capture_output=True, text=True, check=True
    ).stdout
    assert kit.target(other).code == 0
    assert kit.query("SELECT id, date::VARCHAR, amount FROM transactions") == [(1, "2024-01-01", 12.34)]


def test_batches_of_gzipped_json_lines_are_loaded(kit: Kit) -> None:
    file = kit.folder / "batch.json.gz"
    file.write_bytes(gzip.compress(b'{"id": 1, "v": 0.1}\n{"id": 2, "v": null}\n'))
    exact = NUMBER | {"x-sql-datatype": "DECIMAL(30,20)"}
    encoding = {"format": "jsonl", "compression": "gzip"}
    batch = json.dumps({"type": "BATCH", "stream": "t", "encoding": encoding, "manifest": [file.as_uri()]})
    assert kit.target("\n".join([schema({"id": INTEGER, "v": exact}), batch, ""])).code == 0
    assert kit.query("SELECT v::VARCHAR FROM t ORDER BY id") == [("0.10000000000000000000",), (None,)]
    assert kit.loaded == {"schema": "main", "received": 2, "loaded": 2, "replaced": 0}


def test_record_with_a_null_key_is_refused(kit: Kit) -> None:
    done = kit.target("\n".join([schema({"id": INTEGER, "a": STRING}), record(id=None, a="x"), state(1), ""]))
    assert done.code == 1
    assert "key (id) is null" in done.sentence
    assert not done.out


def test_loaded_file_is_skipped_unless_the_file_has_changed_or_incremental_is_none(kit: Kit) -> None:
    first = kit.load(kit.csv("id,v\n1,a\n"))
    again = kit.load(kit.folder / "t.csv", state=first.state)
    assert kit.counts == kit.counts | {"read": 0, "emitted": 0}
    assert kit.counts["files"][0]["skipped"] == 1
    kit.csv("id,v\n1,b\n2,c\n")
    kit.load(kit.folder / "t.csv", state=again.state)
    assert kit.query("SELECT id, v FROM t ORDER BY id") == [("1", "b"), ("2", "c")]
    kit.load(kit.folder / "t.csv", entity={"incremental": "none"}, state=again.state)
    assert kit.counts["read"] == 2


@pytest.mark.parametrize("batch", [True, False])
def test_rows_older_than_the_bookmark_are_skipped_if_incremental_is_set_to_column(kit: Kit, batch: bool) -> None:
    entity = {"incremental": "column", "replication_key": "day", "columns": {"day": "date"}, "ignore_rows": []}
    first = kit.load(kit.csv("id,day\n1,2024-01-01\n2,2024-01-02\n"), entity=entity, batch=batch)
    kit.csv("id,day\n1,2024-01-01\n2,2024-01-02\n3,2024-01-03\n4,\n")
    second = kit.load(kit.folder / "t.csv", entity=entity, batch=batch, state=first.state)
    assert kit.counts["files"][0] == kit.counts["files"][0] | {"read": 3, "emitted": 3, "skipped": 1}
    assert second.state["bookmarks"]["t"]["replication_key_value"] == "2024-01-03"
    assert kit.query("SELECT count(*) FROM t") == [(4,)]


def test_files_with_different_headers_share_one_table(kit: Kit) -> None:
    kit.csv("id,a\n1,5\n", "a.csv")
    kit.csv("b,id\nx,2\n", "b.csv")
    kit.csv("id,a\n3,hello\n", "c.csv")
    kit.load(kit.folder / "*.csv")
    assert kit.query("SELECT id, a, b FROM t ORDER BY id") == [("1", "5", None), ("2", None, "x"), ("3", "hello", None)]


def test_tap_stopped_by_sigterm_exits_with_143_and_writes_no_state_of_the_unfinished_file(kit: Kit) -> None:
    """With the signal handler of the Singer SDK, it would exit with 0, and Meltano would take the data as complete."""
    kit.tap(kit.csv("id,a\n" + "".join(f"{i},x\n" for i in range(50_000))), batch=False)
    command = [str(Path(sys.executable).parent / "tap-csv"), "--config", str(kit.folder / "tap-config.json")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout
    said = [process.stdout.readline()]
    os.kill(process.pid, signal.SIGTERM)
    said += process.stdout.readlines()
    assert process.wait() == 128 + signal.SIGTERM
    assert len(said) < 50_000
    assert not any('"STATE"' in line and "t.csv" in line for line in said)


@pytest.mark.parametrize(("how", "code"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, 128 + signal.SIGTERM)])
def test_killed_target_leaves_only_complete_batches(kit: Kit, how: signal.Signals, code: int) -> None:
    """Kill the target when its first batch is full: the table has only whole batches, and a new load completes it."""
    lines = [schema({"id": INTEGER, "a": STRING})] + [record(id=i, a="x") for i in range(30_000)]
    config = kit.folder / "killed.json"
    config.write_text(json.dumps({"path": str(kit.database)}))
    command = [str(Path(sys.executable).parent / "target-duckdb"), "--config", str(config)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdin and process.stderr and process.stdout
    process.stdin.write("\n".join(lines) + "\n" + state(1) + "\n")
    process.stdin.flush()
    for line in process.stderr:
        if "is full" in line:
            break
    os.kill(process.pid, how)
    said = process.stdout.read()
    process.stdin.close()
    assert process.wait() == code
    assert not said
    found = kit.query("SELECT count(*) FROM t")[0][0] if kit.database.exists() else 0
    assert found % 10_000 == 0
    assert kit.target("\n".join([*lines, state(1), ""])).state == {"at": 1}
    assert kit.query("SELECT count(*), count(DISTINCT id) FROM t") == [(30_000, 30_000)]


def test_deselected_column_is_not_loaded_even_if_the_catalog_is_older_than_the_file(kit: Kit) -> None:
    path = kit.csv("id,a,b\n1,x,y\n")
    config = kit.tap(path) and kit.folder / "tap-config.json"
    catalogue = json.loads(run("tap-csv", ["--config", str(config), "--discover"]).out)
    for entry in catalogue["streams"][0]["metadata"]:
        if entry["breadcrumb"] == ["properties", "b"]:
            entry["metadata"]["selected"] = False
    file = kit.folder / "catalogue.json"
    file.write_text(json.dumps(catalogue))
    kit.csv("id,a,b\n1,5,y\n")
    done = run("tap-csv", ["--config", str(config), "--catalog", str(file)])
    assert kit.target(done.out).code == 0
    assert kit.query("SELECT * FROM t") == [("1", "5")]

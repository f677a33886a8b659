"""Test files that are refused or absent in a run, or that change while they are read."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from tap_csv import scan as scan_module
from tap_csv import stream

from tests.kit.singer import Kit

_FEE = {"columns": {"fee": "decimal"}}


def _refused(kit: Kit) -> dict[str, str]:
    """Return the reasons of the refused files, by their names."""
    return {Path(file["path"]).name: file["refused"] for file in kit.counts["files"] if file["refused"]}


def _load(kit: Kit, name: str, state: dict[str, Any], **settings: Any) -> dict[str, Any]:
    """Load files of the test's folder. Returns: the new state; the tap writes none if nothing has changed."""
    messages = kit.load(kit.folder / name, state=state, **settings).messages
    return next((message["value"] for message in reversed(messages) if message["type"] == "STATE"), state)


def test_file_that_new_settings_refuse_is_refused_in_each_run_until_it_is_corrected(kit: Kit) -> None:
    kit.csv("id,fee\n1,1.50\n", "a.csv")
    kit.csv("id,other\n2,x\n", "b.csv")
    state = _load(kit, "*.csv", {})
    for _ in range(3):
        state = _load(kit, "*.csv", state, entity=_FEE)
        assert "lacks 'fee'" in _refused(kit)["b.csv"]
    assert kit.counts["skipped"] == 1
    kit.csv("id,fee\n2,2.50\n", "b.csv")
    _load(kit, "*.csv", state, entity=_FEE)
    assert kit.query("SELECT id, fee::VARCHAR FROM t ORDER BY id") == [("1", "1.5000"), ("2", "2.5000")]


def test_file_that_is_absent_when_all_files_are_loaded_again_is_loaded_when_it_is_back(kit: Kit) -> None:
    kit.csv("id,v\n1,-\n", "a.csv")
    away = kit.csv("id,v\n2,-\n", "b.csv")
    state = _load(kit, "*.csv", {})
    away.rename(kit.folder / "b.away")
    state = _load(kit, "*.csv", state, entity={"null_words": ["-"]})
    (kit.folder / "b.away").rename(away)
    state = _load(kit, "*.csv", state, entity={"null_words": ["-"]})
    assert kit.query("SELECT id, v FROM t ORDER BY id") == [("1", None), ("2", None)]
    _load(kit, "*.csv", state, entity={"null_words": ["-"]})
    assert kit.counts["skipped"] == 2


def test_file_that_was_refused_once_keeps_its_place_in_the_order_of_the_files(kit: Kit) -> None:
    kit.csv("id,v\n1,old\n", "z.csv")
    state = _load(kit, "z.csv", {})
    kit.csv("id,v,fee\n1,new,1.50\n", "a.csv")
    for entity in ({}, _FEE, {"null_words": ["-"]}):
        state = _load(kit, "*.csv", state, entity=entity)
    assert kit.query("SELECT v FROM t") == [("new",)]


def _changing(monkeypatch: pytest.MonkeyPatch, module: Any, name: str, change: Any) -> None:
    """Replace the function `name` of `module` by one that first changes the file that it gets, and then calls it.

    Only files whose names begin with `b` are changed; `change` gets the path.
    """
    original = getattr(module, name)

    def changed(*arguments: Any, **options: Any) -> Any:
        text = next(one for one in arguments if hasattr(one, "original"))
        if text.original.name.startswith("b"):
            change(text.original)
        return original(*arguments, **options)

    monkeypatch.setattr(module, name, changed)


def _append(path: Path) -> None:
    with path.open("a") as file:
        file.write("3,z,5\n")


@pytest.mark.parametrize("change", [_append, Path.unlink, lambda path: os.truncate(path, 3)])
@pytest.mark.parametrize("at", [(stream, "measure"), (stream, "scan"), (scan_module, "record_at")])
def test_only_the_file_that_changes_while_it_is_read_is_refused(
    kit: Kit, monkeypatch: pytest.MonkeyPatch, at: tuple[Any, str], change: Any
) -> None:
    kit.csv("id,v,n\n1,x,5\n", "a.csv")
    kit.csv("id,v,n\n2,y,5\n,y,5\n4,y,bad\n", "b.csv")
    kit.csv("id,v,n\n9,x,5\n", "c.csv")
    with monkeypatch.context() as patched:
        _changing(patched, *at, change)
        state = _load(kit, "[abc].csv", {}, entity={"columns": {"n": "integer"}})
    assert list(_refused(kit)) == ["b.csv"] and kit.quarantined == []
    assert kit.query("SELECT id FROM t ORDER BY id") == [("1",), ("9",)]
    kit.csv("id,v,n\n2,y,5\n", "b.csv")
    _load(kit, "[abc].csv", state, entity={"columns": {"n": "integer"}})
    assert kit.query("SELECT id FROM t ORDER BY id") == [("1",), ("2",), ("9",)]


def test_only_the_file_that_is_missing_is_refused(kit: Kit) -> None:
    kit.load(kit.csv("id\n1\n", "a.csv"), kit.folder / "b.csv")
    assert list(_refused(kit)) == ["b.csv"] and "is missing" in _refused(kit)["b.csv"]
    assert kit.query("SELECT id FROM t") == [("1",)]


def test_only_the_file_whose_name_is_not_utf_8_is_refused(kit: Kit) -> None:
    kit.csv("id\n1\n", "a.csv")
    kit.csv("id\n2\n,\n", os.fsdecode(b"b\xe4.csv"))
    kit.load(kit.folder / "*.csv")
    assert "its name is not valid UTF-8; rename it" in _refused(kit)["b\\xe4.csv"]
    assert kit.query("SELECT id FROM t") == [("1",)]


def test_files_of_the_setting_paths_file_are_loaded_and_its_name_does_not_affect_the_state(kit: Kit) -> None:
    files = [str(kit.csv(f"id\n{number}\n", f"{number}.csv")) for number in (1, 2)]
    state: dict[str, Any] = {}
    for name in ("one.json", "two.json"):
        listed = kit.csv(json.dumps(files), name)
        state = kit.load(entity={"paths_file": str(listed)}, state=state).state
    assert kit.counts["skipped"] == 2
    assert kit.query("SELECT id FROM t ORDER BY id") == [("1",), ("2",)]


@pytest.mark.parametrize("text", ["", "{}", '"a.csv"', "[1]"])
def test_paths_file_without_a_list_of_paths_is_refused_with_one_sentence(kit: Kit, text: str) -> None:
    done = kit.tap(entity={"paths_file": str(kit.csv(text, "paths.json"))})
    assert done.code == 1 and "paths" in done.sentence
    missing = kit.tap(entity={"paths_file": str(kit.folder / "none.json")})
    assert missing.code == 1 and "none.json cannot be read" in missing.sentence


@pytest.mark.parametrize("change", [_append, Path.unlink])
def test_file_that_changes_after_the_first_record_was_sent_ends_the_run_with_one_sentence(
    kit: Kit, monkeypatch: pytest.MonkeyPatch, change: Any
) -> None:
    kit.csv("id,v,n\n1,x,5\n", "a.csv")
    file = kit.csv("id,v,n\n2,y,5\n\n", "b.csv")
    written = stream.write_parquet

    def changed(*arguments: Any) -> int:
        if file.exists():
            change(file)
        return written(*arguments)

    monkeypatch.setattr(stream, "write_parquet", changed)
    done = kit.tap(kit.folder / "[ab].csv")
    assert done.code == 1 and "changed while it was read; run again" in done.sentence


@pytest.mark.parametrize("batch", [True, False])
def test_overwrite_keeps_the_table_of_a_stream_without_records(kit: Kit, batch: bool) -> None:
    kit.csv("id,v\n1,x\n2,y\n", "a.csv")

    def overwrite(name: str, state: dict[str, Any]) -> dict[str, Any]:
        done = kit.tap(kit.folder / name, state=state, batch=batch)
        assert kit.target(done.out, load_method="overwrite").code == 0
        return done.state if done.messages[-1]["type"] == "STATE" else state

    state = overwrite("a.csv", {})
    state = overwrite("a.csv", state)
    assert kit.counts["skipped"] == 2 and kit.query("SELECT count(*) FROM t") == [(2,)]
    kit.csv("%PDF-1.7", "a.csv")
    overwrite("a.csv", state)
    assert _refused(kit) and kit.query("SELECT count(*) FROM t") == [(2,)]
    overwrite(kit.csv("id,v\n3,z\n", "b.csv").name, state)
    assert kit.query("SELECT id FROM t") == [("3",)]
    assert kit.query("SELECT count(*) FROM duckdb_tables()") == [(1,)]


@pytest.mark.parametrize("batch", [True, False])
def test_overwrite_creates_the_table_of_a_stream_without_records(kit: Kit, batch: bool) -> None:
    assert kit.target(kit.tap(kit.csv("id,v\n"), batch=batch).out, load_method="overwrite").code == 0
    assert kit.query("SELECT count(*) FROM t") == [(0,)]

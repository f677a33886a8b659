"""Test that downloaded files have all selected rows and exact values, and that CSV files have no formulas."""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from pathlib import Path

import pyarrow.parquet as parquet  # type: ignore[import-untyped]
import pytest

from data_stack.streamlit import downloads, marts, warehouse
from data_stack.streamlit.marts import Filter, Selection
from tests.integration.marts.test_marts import columns, published

LARGE = 12_345_678_901_234_567_890_123


def test_saved_files_have_all_selected_rows_and_not_only_one_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = max(marts.PAGE_ROWS, warehouse.ROW_CAP, downloads._BATCH_ROWS) * 2 + 1
    version = published(
        tmp_path, monkeypatch, f"create table marts.many as select i as id, i % 2 = 0 as even from range({rows}) t(i)"
    )
    found = columns(version, "many")
    selection = Selection("many", list(found.values()), [Filter(found["even"], boolean=True)], found["id"], True)
    body = list(csv.reader(io.StringIO(downloads.as_csv(selection).decode())))[1:]
    table = parquet.read_table(io.BytesIO(downloads.as_parquet(selection)))
    expected = list(range(rows - 1, -1, -2))
    assert [int(row[0]) for row in body] == expected
    assert table.column("id").to_pylist() == expected


def test_parquet_keeps_decimals_dates_and_large_integers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    version = published(
        tmp_path, monkeypatch,
        f"create table marts.exact as select cast('0.000000000000000001' as decimal(38, 18)) as amount,"
        f" {LARGE}::hugeint as large, date '2026-01-05' as day, '=1+1' as text, null::varchar as nothing",
    )  # fmt: skip
    table = parquet.read_table(io.BytesIO(downloads.as_parquet(Selection("exact", marts.columns(version, "exact")))))
    (row,) = table.to_pylist()
    assert row["amount"] == Decimal("0.000000000000000001")
    assert row["large"] == LARGE
    assert (str(row["day"]), row["text"], row["nothing"]) == ("2026-01-05", "=1+1", None)


def test_column_of_nested_values_has_the_kind_text_and_is_json_in_a_csv_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = published(
        tmp_path, monkeypatch,
        "create table marts.nested as select [1.50::decimal(18, 2)] as list, {'a': [date '2026-01-05']} as record",
    )  # fmt: skip
    found = columns(version, "nested")
    assert {name: column.kind for name, column in found.items()} == {"list": "text", "record": "text"}
    selection = Selection("nested", list(found.values()))
    assert list(csv.reader(io.StringIO(downloads.as_csv(selection).decode())))[1] == [
        '["1.50"]',
        '{"a": ["2026-01-05"]}',
    ]


def test_saved_file_is_cut_to_whole_rows_at_the_limit_of_cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    version = published(tmp_path, monkeypatch, "create table marts.many as select i, -i as j from range(50) t(i)")
    monkeypatch.setattr(downloads, "MAX_CELLS", 21)
    selection = Selection("many", marts.columns(version, "many"))
    assert downloads.max_rows(selection) == 10
    assert len(downloads.as_csv(selection).decode().splitlines()) == 11


def test_table_of_another_schema_with_the_name_of_a_mart_is_not_confused_with_the_mart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = published(
        tmp_path, monkeypatch,
        "create schema checks", "create table checks.same as select '@cmd' as bad",
        "create table marts.same as select 1 as good, 2 as other",
    )  # fmt: skip
    selection = Selection("same", marts.columns(version, "same", "checks"), schema="checks")
    assert downloads.as_csv(selection).decode().splitlines() == ["bad", "'@cmd"]
    assert [column.name for column in marts.columns(version, "same")] == ["good", "other"]

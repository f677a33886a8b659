"""Test that a run publishes the documentation of the models as one HTML file, and that a failed run keeps the file."""

from __future__ import annotations

import json
from pathlib import Path

from stack_runtime.pipeline.paths import beside
from tests.integration.pipeline.conftest import fds_run, rows, write_csv


def documented(page: str) -> dict[str, dict[str, str]]:
    """Return each model's columns with their types, as dbt's catalog in the documentation page lists them."""
    place = page.index('catalog:{"metadata"') + len("catalog:")
    catalog, _ = json.JSONDecoder().raw_decode(page[place:])
    return {
        node["metadata"]["name"]: {column["name"]: column["type"] for column in node["columns"].values()}
        for node in catalog["nodes"].values()
    }


def test_documentation_is_published_with_the_data_and_a_failed_run_does_not_change_it(tmp_path: Path) -> None:
    database = tmp_path / "warehouse.duckdb"
    docs = beside(database).docs
    csv = write_csv(tmp_path / "a.csv", rows(1, 20))
    run = fds_run(database, csv)
    assert run.code == 0, run.said
    found = documented(docs.read_text())
    assert found["dim_customers"]["currencies"] == "BIGINT"
    assert {"fact_transactions", "stg_transactions", "mart_daily_cashflow"} <= found.keys()
    before = docs.stat()
    write_csv(csv, [f"{number},no day,A,1,EUR,fees," for number in range(100)])
    assert fds_run(database, csv).code == 6
    assert (docs.stat().st_ino, docs.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert {file.name for file in tmp_path.iterdir() if file.name.endswith(".incoming")} == set()

"""A database with raw transactions, and dbt on it in this process."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa  # type: ignore[import-untyped]
import pytest
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner

from data_stack.samples import generate

PROJECT = Path(generate.__file__).parents[1] / "dbt"


@dataclass(frozen=True)
class Warehouse:
    """One DuckDB file, always at the same path, so that dbt parses the project once."""

    path: Path
    target: Path

    def load(
        self,
        rows: Sequence[Sequence[str | None]],
        types: Mapping[str, str] | None = None,
        extracted_at: str | None = "2026-01-01",
    ) -> None:
        """Make `raw_data.transactions` of `rows` anew. A column that `types` does not name is text."""
        texts = pa.table({name: [row[at] for row in rows] for at, name in enumerate(generate.HEADER)})
        columns = [f"cast({name} as {(types or {}).get(name, 'varchar')}) as {name}" for name in generate.HEADER]
        if extracted_at:
            columns.append(f"timestamp '{extracted_at}' as _sdc_extracted_at")
        with duckdb.connect(str(self.path)) as connection:
            connection.register("texts", texts)
            connection.execute("create schema if not exists raw_data")
            connection.execute(
                f"create or replace table raw_data.transactions as select {', '.join(columns)} from texts"
            )

    def sql(self, query: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.path)) as connection:
            return connection.execute(query).fetchall()

    def dbt(self, *arguments: str) -> dict[str, str]:
        """Run dbt. Returns: the status of each node by its name."""
        folders = ("--project-dir", PROJECT, "--profiles-dir", PROJECT, "--target-path", self.target)
        quiet = ("--log-level", "none", "--log-path", str(self.target / "logs"))
        try:
            done = dbtRunner().invoke([*quiet, *arguments, *map(str, folders)])
        finally:
            DuckDBConnectionManager.close_all_connections()  # type: ignore[no-untyped-call]
        assert done.exception is None, done.exception
        return {result.node.name: str(result.status) for result in getattr(done.result, "results", ())}


@pytest.fixture(scope="package")
def _warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    folder = tmp_path_factory.mktemp("dbt")
    before = os.environ.get("FDS_DUCKDB_PATH")
    os.environ["FDS_DUCKDB_PATH"] = str(folder / "work.duckdb")
    yield Warehouse(folder / "work.duckdb", folder / "target")
    os.environ.pop("FDS_DUCKDB_PATH")
    if before is not None:
        os.environ["FDS_DUCKDB_PATH"] = before


@pytest.fixture
def warehouse(_warehouse: Warehouse) -> Iterator[Warehouse]:
    yield _warehouse
    _warehouse.path.unlink(missing_ok=True)

"""Run dbt in this process on a DuckDB file with raw transactions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import pyarrow as pa  # type: ignore[import-untyped]
import pytest

from data_stack.samples import generate

Row = TypeVar("Row", bound=Sequence[str | None])

PROJECT = Path(generate.__file__).parents[1] / "dbt"


@dataclass(frozen=True)
class Warehouse:
    """One DuckDB file, which stays at the same path, so that dbt parses the project only once."""

    path: Path
    target: Path

    def load(
        self,
        rows: Sequence[Sequence[str | None]],
        types: Mapping[str, str] | None = None,
        extracted_at: str | None = "2026-01-01",
    ) -> None:
        """Replace the table `raw_data.transactions` by `rows`.

        Args:
            types: SQL types of columns; all other columns are text.
            extracted_at: value of the column `_sdc_extracted_at`, or None to omit this column.
        """
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
        """Run dbt and return the status of each node by its name."""
        # Import dbt here, because it takes two seconds and every test process collects this module.
        from dbt.adapters.duckdb.connections import DuckDBConnectionManager
        from dbt.cli.main import dbtRunner

        folders = ("--project-dir", PROJECT, "--profiles-dir", PROJECT, "--target-path", self.target)
        quiet = ("--log-level", "none", "--log-path", str(self.target / "logs"))
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("FDS_DUCKDB_PATH", str(self.path))
            try:
                done = dbtRunner().invoke([*quiet, *arguments, *map(str, folders)])
            finally:
                DuckDBConnectionManager.close_all_connections()  # type: ignore[no-untyped-call]
        assert done.exception is None, done.exception
        return {result.node.name: str(result.status) for result in getattr(done.result, "results", ())}


def latest_of(rows: Sequence[Row]) -> list[Row]:
    """Return the last row of each key (first column); an upsert of all rows leaves exactly these rows in a table."""
    return list({row[0]: row for row in rows}.values())

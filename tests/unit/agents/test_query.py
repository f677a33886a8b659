"""Test the query process of the tool `duckdb_query`."""

from __future__ import annotations

from pathlib import Path

from agents.tools.duckdb import OPTIONS
from stack_runtime.query import run


def test_file_that_is_no_database_gives_the_message_of_duckdb(tmp_path: Path) -> None:
    file = tmp_path / "w.duckdb"
    file.write_bytes(b"no database" * 1000)
    answer = run(str(file), "SELECT 1", {"rows": 10, "characters": 10, "options": OPTIONS})
    assert isinstance(answer, str) and "not a valid DuckDB database file" in answer

"""Run one query in a separate process and print the rows as JSON.

Usage: `python -m stack_runtime.query DATABASE LIMITS SQL`. DuckDB's options make the database read-only and block
access to other files. This process also limits its own memory and time, because DuckDB does not enforce its limits
within a function call: one call can build a string of a gigabyte, and cannot be interrupted.
"""

from __future__ import annotations

import json
import math
import resource
import signal
import sys
from typing import Any

import duckdb


def run(database: str, sql: str, limits: dict[str, Any]) -> list[dict[str, Any]] | str:
    """Run `sql` on `database`; return at most `limits["rows"]` rows, or the start of DuckDB's error message."""
    try:
        with duckdb.connect(database, **limits["options"]) as connection:
            cursor = connection.execute(sql)
            names = [column[0] for column in cursor.description or []]
            rows = cursor.fetchmany(limits["rows"])
    except duckdb.Error as error:
        return str(error)[:400]
    return [{name: _cell(value, limits["characters"]) for name, value in zip(names, row, strict=True)} for row in rows]


def _cell(value: Any, characters: int) -> Any:
    """Return None, booleans, integers and finite floats unchanged, and other values as text of at most `characters`."""
    plain = isinstance(value, (bool, int, type(None))) or (isinstance(value, float) and math.isfinite(value))
    return value if plain else str(value)[:characters]


def main() -> None:
    """Run the query and print its rows or its error; a timer kills this process at the time limit."""
    database, limits, sql = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3]
    resource.setrlimit(resource.RLIMIT_AS, (limits["memory_bytes"], limits["memory_bytes"]))
    signal.setitimer(signal.ITIMER_REAL, limits["seconds"])
    json.dump(run(database, sql, limits), sys.stdout, default=str)


if __name__ == "__main__":
    main()

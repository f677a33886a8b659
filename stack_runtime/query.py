"""`python -m stack_runtime.query DATABASE LIMITS SQL`: one query in a process of its own, as JSON.

The engine is told to write nothing and to reach nothing else. The process bounds what the engine does not: one
function call can build a text of a gigabyte past the engine's own memory limit, and does not hear an interrupt.
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
    """The rows, `limits["rows"]` at most, or why there are none."""
    with duckdb.connect(database, **limits["options"]) as connection:
        try:
            cursor = connection.execute(sql)
            names = [column[0] for column in cursor.description or []]
            rows = cursor.fetchmany(limits["rows"])
            return [
                {name: _cell(value, limits["characters"]) for name, value in zip(names, row, strict=True)}
                for row in rows
            ]
        except duckdb.Error as error:
            return str(error)[:400]


def _cell(value: Any, characters: int) -> Any:
    """A figure as it is, anything else as text that cannot flood the answer; JSON knows no NaN and no infinity."""
    plain = isinstance(value, (bool, int, type(None))) or (isinstance(value, float) and math.isfinite(value))
    return value if plain else str(value)[:characters]


def main() -> None:
    """Bound this process, run the query, print the answer. A process that takes too long is ended by its alarm."""
    database, limits, sql = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3]
    resource.setrlimit(resource.RLIMIT_AS, (limits["memory_bytes"], limits["memory_bytes"]))
    signal.setitimer(signal.ITIMER_REAL, limits["seconds"])
    json.dump(run(database, sql, limits), sys.stdout, default=str)


if __name__ == "__main__":
    main()

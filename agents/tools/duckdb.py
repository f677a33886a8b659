"""SQL on the published DuckDB file, in a process of its own.

The engine is told to write nothing and to reach nothing else. The process bounds what the engine does not: one
function call can build a text of a gigabyte past the engine's own memory limit, and does not hear an interrupt.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb

from agents.tools.result import MOST_ROWS
from stack_runtime.errors import UnreachableError, UsageError

SECONDS = 10.0
CELL_CHARACTERS = 2_000
MEMORY_BYTES = 1 << 30
"""Address space of the process; the engine's code and Python's take half of it."""
OPTIONS: dict[str, Any] = {
    "read_only": True,
    "config": {
        "enable_external_access": "false",
        "lock_configuration": "true",
        "memory_limit": "128MB",
        "max_temp_directory_size": "0MB",
        "threads": 1,
    },
}


def query(database: Path, sql: str) -> list[dict[str, Any]]:
    """The rows of one query, one more than the cap at most.

    Raises:
        UnreachableError: nothing is published yet.
        UsageError: the query is wrong, not allowed, or took more than `SECONDS` or the memory there is.
    """
    if not database.is_file():
        raise UnreachableError("no data is published yet", where=str(database), next_command="fds run --csv FILE")
    words = [sys.executable, "-m", "agents.tools.duckdb", str(database), str(MEMORY_BYTES), json.dumps(OPTIONS)]
    try:
        child = subprocess.run(words, input=sql, capture_output=True, text=True, timeout=SECONDS, env={}, check=False)
    except subprocess.TimeoutExpired:
        raise UsageError(f"the query took longer than {SECONDS:g} s", next_command="ask for less") from None
    if child.returncode:
        raise UsageError("the query took more memory than there is", next_command="ask for less")
    answer = json.loads(child.stdout)
    if isinstance(answer, str):
        raise UsageError(f"the query was refused: {answer}", next_command="correct the query")
    return list(answer)


def run(database: str, sql: str, options: dict[str, Any]) -> list[dict[str, Any]] | str:
    """The rows, or why there are none."""
    with duckdb.connect(database, **options) as connection:
        try:
            cursor = connection.execute(sql)
            names = [column[0] for column in cursor.description or []]
            rows = cursor.fetchmany(MOST_ROWS + 1)
            return [{name: _cell(value) for name, value in zip(names, row, strict=True)} for row in rows]
        except duckdb.Error as error:
            return str(error)[:400]


def _cell(value: Any) -> Any:
    """A figure as it is, anything else as text that cannot flood the answer."""
    return value if isinstance(value, (bool, int, float, type(None))) else str(value)[:CELL_CHARACTERS]


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[2]), int(sys.argv[2])))
    json.dump(run(sys.argv[1], sys.stdin.read(), json.loads(sys.argv[3])), sys.stdout, default=str)

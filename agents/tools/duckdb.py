"""SQL on the published DuckDB file: read-only, without files and network, and bounded in time, memory and size."""

from __future__ import annotations

import json
import signal
from typing import Any

from agents.tools.target import PipelineTarget
from agents.tools.result import MOST_ROWS
from stack_runtime.errors import UsageError

SECONDS = 10.0
MOST_SQL = 20_000
"""Characters of a query."""
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


def query(target: PipelineTarget, sql: str) -> list[dict[str, Any]]:
    """The rows of one query, one more than the cap at most.

    Raises:
        UnreachableError: nothing is published yet.
        UsageError: the query is wrong, not allowed, or took more than `SECONDS` or the memory there is.
    """
    if len(sql) > MOST_SQL or "\0" in sql:
        raise UsageError(f"a query has at most {MOST_SQL} characters, and none is NUL", next_command="ask for less")
    limits = {
        "seconds": SECONDS,
        "memory_bytes": MEMORY_BYTES,
        "rows": MOST_ROWS + 1,
        "characters": CELL_CHARACTERS,
        "options": OPTIONS,
    }
    code, said = target.call("stack_runtime.query", target.published(), json.dumps(limits), sql, seconds=SECONDS + 10)
    if code in (-signal.SIGALRM, 128 + signal.SIGALRM):
        raise UsageError(f"the query took longer than {SECONDS:g} s", next_command="ask for less")
    if code:
        raise UsageError("the query took more memory than there is", next_command="ask for less")
    answer = json.loads(said)
    if isinstance(answer, str):
        raise UsageError(f"the query was refused: {answer}", next_command="correct the query")
    return list(answer)

"""Query the published DuckDB file read-only, without access to other files or the network.

The time, the memory, and the size of query and result are limited.
"""

from __future__ import annotations

import json
import signal
from typing import Any

from agents.tools.pipeline_target import PipelineTarget
from agents.tools.result import MAX_ROWS
from stack_runtime.errors import UsageError

SECONDS = 10.0
MAX_SQL = 20_000
"""Maximum number of characters of a query."""
CELL_CHARACTERS = 2_000
MEMORY_BYTES = 1 << 30
"""Maximum address space of the query process in bytes; the code of DuckDB and Python takes half of it."""
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
    """Return at most `MAX_ROWS + 1` rows of one query; the additional row tells the caller that more rows exist.

    Raises:
        UnreachableError: no data is published yet.
        UsageError: the query is invalid, not allowed, or exceeded the time or memory limit.
    """
    if len(sql) > MAX_SQL or "\0" in sql:
        raise UsageError(f"a query has at most {MAX_SQL} characters, without NUL", next_command="ask for less")
    limits = {
        "seconds": SECONDS,
        "memory_bytes": MEMORY_BYTES,
        "rows": MAX_ROWS + 1,
        "characters": CELL_CHARACTERS,
        "options": OPTIONS,
    }
    code, output = target.call("stack_runtime.query", target.published(), json.dumps(limits), sql, seconds=SECONDS + 10)
    if code in (-signal.SIGALRM, 128 + signal.SIGALRM):
        raise UsageError(f"the query took longer than {SECONDS:g} s", next_command="ask for less")
    if code:
        raise UsageError("the query ended without a result; it may need too much memory", next_command="ask for less")
    answer = json.loads(output)
    if isinstance(answer, str):
        raise UsageError(
            f"the query was refused: {answer}",
            next_command="correct the query, or fds run if the file cannot be opened",
        )
    return list(answer)

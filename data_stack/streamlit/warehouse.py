"""The published DuckDB file, read-only, with a fresh connection for each query.

The pipeline replaces the file by a rename. A process that keeps one connection open goes on seeing the old file on
every later one, so queries run one at a time and each closes its connection. Answers are kept by the file's version.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import streamlit as st

from stack_runtime.errors import UnreachableError

ROW_CAP = 500
"""No table on a page is longer."""

_ONE_AT_A_TIME = threading.Lock()
# Nothing beside the published file can be written. A query never needs another file, whatever stands in the data.
_LIMITS = """
set memory_limit = '128MB'; set threads = 1; set temp_directory = '';
set enable_external_access = false; set lock_configuration = true
"""

Version = tuple[int, int, int]
Row = dict[str, Any]


def path() -> Path:
    """The published file: `FDS_PUBLISHED`, or where the container has it."""
    return Path(os.environ.get("FDS_PUBLISHED", "/data/published/warehouse.duckdb"))


def version() -> Version | None:
    """What changes when a new file is put in place; None when nothing is published yet.

    Raises:
        UnreachableError: the file cannot be looked at.
    """
    try:
        found = path().stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise _unreadable(error.strerror or "no reason given") from None
    return found.st_ino, found.st_mtime_ns, found.st_size


def published_at(of: Version) -> datetime:
    """When the file was written, in UTC."""
    return datetime.fromtimestamp(of[1] / 1e9, tz=UTC)


def rows(of: Version, query: str, values: Sequence[Any] = ()) -> list[Row]:
    """The answer of `query` with `values` for its `?`, as one dictionary a row.

    Raises:
        UnreachableError: the file or one of its marts cannot be read.
    """
    try:
        return _rows(str(path()), of, query, tuple(values))
    except duckdb.Error as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise _unreadable(lines[0]) from None


@st.cache_data(max_entries=64, show_spinner=False)
def _rows(file: str, of: Version, query: str, values: tuple[Any, ...]) -> list[Row]:
    with _ONE_AT_A_TIME, duckdb.connect(file, read_only=True) as connection:
        connection.execute(_LIMITS)
        cursor = connection.execute(query, values)
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _unreadable(reason: str) -> UnreachableError:
    return UnreachableError(
        f"the published data cannot be read: {reason[:200]}", where=str(path()), next_command="fds run"
    )

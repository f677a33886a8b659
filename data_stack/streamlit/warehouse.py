"""Query the published DuckDB file, read-only, with a new connection for each query.

The pipeline replaces the file by a rename. While a process has an open connection, every new connection of this
process sees the old file. So queries run one at a time, and each query closes its connection. The results of `rows` are
cached by the version of the file.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import streamlit as st

from stack_runtime.errors import UnreachableError, UsageError

ROW_CAP = 500
"""Maximum number of rows that a table on a page shows."""

_QUERY_LOCK = threading.Lock()
# Disable external access, because a query needs no other file. Even if text from the data became part of a query, the
# query could not read or write other files.
_LIMITS = """
set memory_limit = '128MB'; set threads = 1; set temp_directory = '';
set enable_external_access = false; set lock_configuration = true
"""

Version = tuple[int, int, int]
Row = dict[str, Any]
Cursor = duckdb.DuckDBPyConnection
_Result = TypeVar("_Result")


def path() -> Path:
    """Return the path of the published file: `FDS_PUBLISHED`, by default its path in the container."""
    return Path(os.environ.get("FDS_PUBLISHED", "/data/published/warehouse.duckdb"))


def version() -> Version | None:
    """Return the version of the published file; None when nothing is published yet.

    Raises:
        UnreachableError: the file is not accessible.
    """
    try:
        found = path().stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise _unreadable(error.strerror or "no reason given") from None
    return found.st_ino, found.st_mtime_ns, found.st_size


def published_at(published: Version) -> datetime:
    """Return the UTC time at which the file was written."""
    return datetime.fromtimestamp(published[1] / 1e9, tz=UTC)


def rows(published: Version, query: str, values: Sequence[Any] = ()) -> list[Row]:
    """Return the rows of `query` as dictionaries; `values` replace its `?`.

    Raises:
        UnreachableError: the file or one of its marts cannot be read.
        UsageError: the query needs more memory than `_LIMITS` allow.
    """
    with _user_errors():
        return _rows(str(path()), published, query, tuple(values))


def export(query: str, values: Sequence[Any], write: Callable[[Cursor], _Result]) -> _Result:
    """Return the result of `write` for the cursor of `query`. The result is not cached, because it can be large.

    Raises:
        UnreachableError: the file or one of its marts cannot be read.
        UsageError: the query needs more memory than `_LIMITS` allow.
    """
    with _user_errors(), _cursor(str(path())) as cursor:
        return write(cursor.execute(query, list(values)))


@st.cache_data(max_entries=64, show_spinner=False)
def _rows(file: str, published: Version, query: str, values: tuple[Any, ...]) -> list[Row]:
    with _cursor(file) as cursor:
        cursor.execute(query, values)
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


@contextmanager
def _cursor(file: str) -> Iterator[Cursor]:
    with _QUERY_LOCK, duckdb.connect(file, read_only=True) as connection:
        connection.execute(_LIMITS)
        yield connection


@contextmanager
def _user_errors() -> Iterator[None]:
    """Convert the errors of a query to errors for the user."""
    try:
        yield
    except duckdb.OutOfMemoryException:
        raise UsageError(
            "this needs more memory than the dashboard has", next_command="filter the rows, or choose another column"
        ) from None
    except duckdb.Error as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise _unreadable(lines[0]) from None


def _unreadable(reason: str) -> UnreachableError:
    return UnreachableError(
        f"the published data cannot be read: {reason[:200]}", where=str(path()), next_command="fds run"
    )

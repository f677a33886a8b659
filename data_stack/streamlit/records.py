"""Read the run records from PostgreSQL if `FDS_POSTGRES_HOST` is set, else from SQLite, next to the DuckDB file."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

import psycopg
import streamlit as st

from data_stack.streamlit import warehouse
from stack_runtime.errors import UnreachableError
from stack_runtime.pipeline.model import Check, Run, Stream
from stack_runtime.pipeline.paths import beside
from stack_runtime.pipeline.postgres_config import PostgresConfig
from stack_runtime.pipeline.records import Records

RUN_CAP = 8
"""Number of runs to show. It is small, because the record of one run can have a thousand quarantined rows."""
CHECKED_RUNS = 30
"""Number of runs whose checks and streams are shown over time."""
_Result = TypeVar("_Result")


@st.cache_data(ttl=5, max_entries=1, show_spinner=False)
def latest() -> list[Run]:
    """Return the last runs, newest first.

    Raises:
        UnreachableError: the records cannot be read.
    """
    return _read(lambda records: records.latest(RUN_CAP), [])


def progress() -> tuple[tuple[str, str, int], ...]:
    """Return id, status and number of steps of the last run; empty before the first run.

    Raises:
        UnreachableError: the records cannot be read.
    """
    return tuple((run.run_id, run.status, len(run.steps)) for run in latest()[:1])


def checks() -> list[tuple[datetime, Check]]:
    """Return the checks of the last runs, each with the start time of its run, oldest first.

    Raises:
        UnreachableError: the records cannot be read.
    """
    return _checks(progress())


def streams() -> list[tuple[datetime, Stream]]:
    """Return the streams of the last runs, each with the start of its run, oldest first.

    Raises:
        UnreachableError: the records cannot be read.
    """
    return _streams(progress())


# The cache key is the argument `last`, the progress of the last run, so that a page never shows checks that are older
# than the run on that page.
@st.cache_data(ttl=5, max_entries=1, show_spinner=False)
def _checks(last: tuple[tuple[str, str, int], ...]) -> list[tuple[datetime, Check]]:
    return _read(lambda records: records.checks(CHECKED_RUNS), [])


@st.cache_data(ttl=5, max_entries=1, show_spinner=False)
def _streams(last: tuple[tuple[str, str, int], ...]) -> list[tuple[datetime, Stream]]:
    return _read(lambda records: records.streams(CHECKED_RUNS), [])


def _read(read: Callable[[Records], _Result], nothing: _Result) -> _Result:
    """Return the result of `read`; `nothing` if the records are in SQLite and no run has created the file yet."""
    server = PostgresConfig.from_environment()
    paths = beside(warehouse.path())
    if server is None and not paths.records.exists():
        return nothing
    try:
        return read(Records(paths, server))
    except (psycopg.Error, sqlite3.Error, OSError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UnreachableError(f"the run records cannot be read: {reason[:200]}", next_command="fds status") from None

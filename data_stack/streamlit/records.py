"""Read the run records: from PostgreSQL if `FDS_POSTGRES_HOST` is set, else from the file next to the data."""

from __future__ import annotations

import sqlite3

import psycopg
import streamlit as st

from data_stack.streamlit import warehouse
from stack_runtime.errors import UnreachableError
from stack_runtime.pipeline.model import Run
from stack_runtime.pipeline.paths import beside
from stack_runtime.pipeline.postgres_config import PostgresConfig
from stack_runtime.pipeline.records import Records

RUN_CAP = 8
"""Number of runs to show; a record has up to a thousand quarantined rows."""


@st.cache_data(ttl=5, max_entries=1, show_spinner=False)
def latest() -> list[Run]:
    """Return the last runs, newest first.

    Raises:
        UnreachableError: the records cannot be read.
    """
    server = PostgresConfig.from_environment()
    paths = beside(warehouse.path())
    if server is None and not paths.records.exists():
        return []
    try:
        return Records(paths, server).latest(RUN_CAP)
    except (psycopg.Error, sqlite3.Error, OSError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UnreachableError(f"the run records cannot be read: {reason[:200]}", next_command="fds status") from None

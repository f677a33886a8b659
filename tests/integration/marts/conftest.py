"""Publish small marts for the dashboard, without a pipeline."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from data_stack.streamlit import warehouse
from data_stack.streamlit.warehouse import Version


def published(folder: Path, monkeypatch: pytest.MonkeyPatch, *statements: str) -> Version:
    """Publish a file with the schema `marts`, in which `statements` were executed."""
    file = folder / "warehouse.duckdb"
    with duckdb.connect(str(file)) as connection:
        connection.execute("create schema marts")
        for statement in statements:
            connection.execute(statement)
    monkeypatch.setenv("FDS_PUBLISHED", str(file))
    found = warehouse.version()
    assert found is not None
    return found

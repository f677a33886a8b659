"""Imported once, by the process that runs are forked from: dbt, and all that a first parse computes for later ones."""

from __future__ import annotations

import importlib
import tempfile
from pathlib import Path

from tests.kit.warehouse import Warehouse

importlib.import_module("stack_runtime.pipeline.run")
with tempfile.TemporaryDirectory() as folder:
    Warehouse(Path(folder) / "none.duckdb", Path(folder) / "target").dbt("parse")

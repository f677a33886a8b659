"""Transform and test: dbt, in this process, on the run's private database."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stack_runtime.errors import CheckFailedError
from stack_runtime.pipeline.disk import is_full, no_space
from stack_runtime.pipeline.model import Check
from stack_runtime.pipeline.paths import DBT_PROJECT


class Dbt:
    """The dbt project on one database. Parsing is kept in `target` from run to run.

    Args:
        database: the same path in every run, or dbt parses everything anew.
        target: folder for what dbt keeps and writes.
    """

    def __init__(self, database: Path, target: Path) -> None:
        self._database = database
        self._target = target

    def transform(self, select: str | None = None) -> None:
        """Build the models and snapshots, or those that dbt selects by `select`.

        Raises:
            CheckFailedError: a model failed.
        """
        for node, status, message in self._invoke("build", "--exclude-resource-type", "test", *_selected(select)):
            if status not in ("success", "skipped", "no-op", "partial success"):
                raise CheckFailedError(f"model {node} failed: {message}", where="transform", next_command="correct it")

    def test(self, select: str | None = None) -> tuple[Check, ...]:
        """Run every data test, or those of what `select` selects, with the failing rows stored.

        Returns: one check a test; what failed is among them, and no error.
        """
        checks = []
        for node, status, failures, threshold, _ in self._results("test", "--store-failures", *_selected(select)):
            shown = {"pass": "pass", "warn": "warn", "fail": "fail", "skipped": "skipped"}.get(status, "error")
            checks.append(Check(node, shown, float(failures or 0), threshold))
        return tuple(sorted(checks, key=lambda check: check.test_name))

    def _invoke(self, *arguments: str) -> Iterator[tuple[str, str, str]]:
        for node, status, *_, message in self._results(*arguments):
            yield node, status, message

    def _results(self, *arguments: str) -> Sequence[tuple[str, str, int | None, float, str]]:
        """`(node, status, failures, threshold, message)` of each node that ran."""
        from dbt.adapters.duckdb.connections import DuckDBConnectionManager
        from dbt.cli.main import dbtRunner

        folders = ("--project-dir", DBT_PROJECT, "--profiles-dir", DBT_PROJECT, "--target-path", self._target)
        with _environment(FDS_DUCKDB_PATH=str(self._database)):
            done = dbtRunner().invoke(
                ["--log-level", "none", "--log-path", str(self._target / "logs"), "--no-use-colors",
                 "--no-send-anonymous-usage-stats", "--no-version-check",
                 *arguments, *map(str, folders)]
            )  # fmt: skip
        # Else dbt keeps the database open until this process ends.
        DuckDBConnectionManager.close_all_connections()  # type: ignore[no-untyped-call]
        results = getattr(done.result, "results", None)
        if results is None:
            raise self._failure(str(done.exception or "dbt gave no answer"), arguments[0])
        found = [_result(item) for item in results]
        if not found:
            raise self._failure("there is nothing of that name", arguments[0])
        if full := next((message for *_, message in found if is_full(message)), None):
            raise self._failure(full, arguments[0])
        return found

    def _failure(self, message: str, step: str) -> Exception:
        if is_full(message):
            return no_space(self._target)
        return CheckFailedError(f"dbt failed: {' '.join(message.split())[:500]}", where=step, next_command="dbt debug")


def _selected(select: str | None) -> tuple[str, ...]:
    return ("--select", select) if select else ()


def _result(item: Any) -> tuple[str, str, int | None, float, str]:
    message = " ".join(str(item.message or "").split())[:500]
    # A test's condition, such as "!= 0" or "> 10": the number in it is what the check holds up to.
    number = re.search(r"\d+", getattr(item.node.config, "error_if", None) or "")
    return item.node.name, str(item.status), item.failures, float(number[0]) if number else 0.0, message


@contextmanager
def _environment(**values: str) -> Iterator[None]:
    before = {key: os.environ.get(key) for key in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for key, value in before.items():
            if value is None:
                del os.environ[key]
            else:
                os.environ[key] = value

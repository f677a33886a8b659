"""Build and test the models with dbt on the run's private database. dbt runs in this process."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stack_runtime.content import dbt_project
from stack_runtime.errors import CheckFailedError
from stack_runtime.pipeline.dbt_packages import install_packages
from stack_runtime.pipeline.disk import is_full, no_space
from stack_runtime.pipeline.docs import write_docs
from stack_runtime.pipeline.model import Check
from stack_runtime.pipeline.model_groups import BUILT_KINDS, ModelGroup, groups_of
from stack_runtime.pipeline.prepare_models import prepare_relations, remove_old_models
from stack_runtime.pipeline.seeds import refuse_changed_values
from stack_runtime.pipeline.workspace import Relation

_BUILT = ("success", "skipped", "no-op", "partial success")
_SHOWN = {"pass": "pass", "warn": "warn", "fail": "fail", "skipped": "skipped"}


class Dbt:
    """Run dbt with the user's dbt project on one database.

    Args:
        database: path of the database; use the same path in every run, because a new path invalidates dbt's cache.
        target: folder for dbt's parse cache, artifacts and logs; keep it for the next run.
    """

    def __init__(self, database: Path, target: Path) -> None:
        os.environ["FDS_DUCKDB_PATH"] = str(database)  # the project's profile reads this variable
        self._database, self._target = database, target
        self._manifest: Any = None

    def parse(self) -> None:
        """Fetch missing packages and parse the project, without using the database.

        Raises:
            CheckFailedError: the project is invalid, or a package cannot be fetched.
        """
        install_packages(self._target)
        self._manifest = self._invoke("parse").result
        for seed in self._nodes(("seed",)):
            # Let dbt create the table of the seed again. Otherwise dbt fills the old table by position, so a file with
            # reordered columns would fill wrong columns.
            seed.config.full_refresh = True

    def transform(self, select: str | None = None) -> None:
        """Build all seeds, models and snapshots, or those that match `select` (dbt's selection syntax).

        Raises:
            CheckFailedError: a model failed, a model or seed would replace the history of a snapshot, or a loaded seed
                has other values than its file.
        """
        if self._manifest is None:
            self.parse()
        models, seeds, snapshots = (self.relations((kind,)) for kind in ("model", "seed", "snapshot"))
        prepare_relations(self._database, models, seeds, snapshots)
        no_tests = ("--exclude-resource-type", "test", "--exclude-resource-type", "unit_test")
        results = self._results("build", *no_tests, *_selected(select))
        for node, status, *_, message in results:
            if status not in _BUILT:
                raise CheckFailedError(f"model {node} failed: {message}", where="transform", next_command="correct it")
        built = {node for node, *_ in results}
        refuse_changed_values(self._database, [seed for seed in self._nodes(("seed",)) if seed.name in built])

    def remove_old_models(self) -> None:
        """Drop what earlier runs built from models and seeds that are no longer declared."""
        remove_old_models(self._database, self.relations(("model", "seed")), self.relations(("snapshot",)))

    def test(self, select: str | None = None) -> tuple[Check, ...]:
        """Run all data tests and unit tests, or those that match `select`; store the failing rows.

        Returns: one check per test, sorted by name. A failed test raises no error; its check has the status `fail`.
        """
        checks = [
            Check(node, _SHOWN.get(status, "error"), float(failures or 0), threshold)
            for node, status, failures, threshold, _ in self._results("test", "--store-failures", *_selected(select))
        ]
        return tuple(sorted(checks, key=lambda check: check.test_name))

    def write_docs(self, file: Path) -> None:
        """Write the documentation of the models as one HTML file; dbt reads the columns from the database.

        Raises:
            CheckFailedError: dbt cannot generate the documentation.
        """
        self._invoke("docs", "generate")
        write_docs(self._target, file)

    def relations(self, kinds: Sequence[str] = BUILT_KINDS) -> list[Relation]:
        """Return the tables and views of the project's models, seeds and snapshots, or only those of `kinds`."""
        return [(node.schema, node.alias) for node in self._nodes(kinds) if node.config.materialized != "ephemeral"]

    def _nodes(self, kinds: Sequence[str]) -> list[Any]:
        return [node for node in self._manifest.nodes.values() if node.resource_type in kinds]

    def groups(self) -> tuple[ModelGroup, ...]:
        """Return the groups of models, each after the groups that it reads."""
        if self._manifest is None:
            self.parse()
        return groups_of(self._manifest)

    def unique_keys(self) -> dict[Relation, str]:
        """Return, by schema and name, the first column with a `unique` test of each model that has such a column."""
        found: dict[Relation, str] = {}
        for node in self._manifest.nodes.values():
            metadata = getattr(node, "test_metadata", None)
            if metadata and metadata.name == "unique" and node.column_name and node.attached_node:
                model = self._manifest.nodes.get(node.attached_node)
                if model:
                    found.setdefault((model.schema, model.alias), node.column_name)
        return found

    def _results(self, *arguments: str) -> Sequence[tuple[str, str, int | None, float, str]]:
        """Run dbt and return `(node, status, failures, threshold, message)` of each node."""
        if self._manifest is None:
            self.parse()
        results = getattr(self._invoke(*arguments).result, "results", None) or []
        found = [_result(item) for item in results]
        if not found and "--select" in arguments:
            raise self._failure("the selection matches nothing", arguments[0])
        if full := next((message for *_, message in found if is_full(message)), None):
            raise self._failure(full, arguments[0])
        return found

    def _invoke(self, *arguments: str) -> Any:
        from dbt.adapters.duckdb.connections import DuckDBConnectionManager
        from dbt.cli.main import dbtRunner

        folders = ("--project-dir", dbt_project(), "--profiles-dir", dbt_project(), "--target-path", self._target)
        done = dbtRunner(manifest=self._manifest).invoke(
            ["--log-level", "none", "--log-path", str(self._target / "logs"), "--no-use-colors",
             "--no-send-anonymous-usage-stats", "--no-version-check",
             *arguments, *map(str, folders)]
        )  # fmt: skip
        # Close the connections, because dbt otherwise keeps the database open until this process ends.
        DuckDBConnectionManager.close_all_connections()  # type: ignore[no-untyped-call]
        if done.exception or done.result is None:
            raise self._failure(str(done.exception or "dbt gave no answer"), arguments[0])
        return done

    def _failure(self, message: str, step: str) -> Exception:
        if is_full(message):
            return no_space(self._target)
        return CheckFailedError(
            f"dbt failed: {' '.join(message.split())[:500]}", where=step, next_command="fds dbt -- debug"
        )


def _selected(select: str | None) -> tuple[str, ...]:
    return ("--select", select) if select else ()


def _result(item: Any) -> tuple[str, str, int | None, float, str]:
    message = " ".join(str(item.message or "").split())[:500]
    allowed = _allowed(getattr(item.node.config, "error_if", None) or "")
    return item.node.name, str(item.status), item.failures, allowed, message


def _allowed(error_if: str) -> float:
    """Return the highest number of failures that an error condition such as "!= 0", "> 10" or ">= 10" allows."""
    found = re.search(r"(>=)?\s*(\d+)", error_if)
    return float(found[2]) - bool(found[1]) if found else 0.0

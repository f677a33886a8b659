"""All tools of an agent for one stack. The stack is fixed here: no argument of a tool can name another one."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.scaling import ScalingDesk
from agents.tools import dbt, duckdb
from agents.tools.result import tool
from stack_runtime.paths import project_dir
from stack_runtime.pipeline.places import DATABASE_NAME, MELTANO_PROJECT, beside

LOG_LINES = 200


@dataclass(frozen=True)
class Toolbox:
    """What the tools look at.

    Args:
        database: the published DuckDB file.
        dbt_target: the folder of dbt's artefacts.
    """

    desk: ScalingDesk
    stack: str
    project: Path
    database: Path
    dbt_target: Path

    def all(self) -> list[Callable[..., Any]]:
        """The tools, by the names that a model calls."""
        return [*self.of_data(), *self.of_stack()]

    def of_data(self) -> list[Callable[..., Any]]:
        """Tools on data, models and loading."""

        def duckdb_query(sql: str) -> Any:
            """Run one SQL query on the published data, read-only. Schemas: staging, intermediate, marts."""
            return duckdb.query(self.database, sql)

        def dbt_models() -> Any:
            """List the dbt models with their descriptions."""
            return dbt.models(self.dbt_target)

        def dbt_show(model: str) -> Any:
            """Show one dbt model: columns, SQL, tests."""
            return dbt.show(self.dbt_target, model)

        def dbt_lineage(model: str) -> Any:
            """Show what one dbt model is made from and what is made from it."""
            return dbt.lineage(self.dbt_target, model)

        def dbt_results() -> Any:
            """Show status and seconds of every model and test of the last run."""
            return dbt.results(self.dbt_target)

        def meltano_plugins() -> Any:
            """List extractors and loaders with the names of their settings; values can be secret."""
            from ruamel.yaml import YAML

            plugins = YAML(typ="safe").load(MELTANO_PROJECT / "meltano.yml")["plugins"]
            return {
                kind: [
                    {"name": plugin["name"], "settings": sorted(plugin.get("config", {}))} for plugin in plugins[kind]
                ]
                for kind in plugins
            }

        return [
            tool(function)
            for function in (
                duckdb_query,
                dbt_models,
                dbt_show,
                dbt_lineage,
                dbt_results,
                meltano_plugins,
            )
        ]

    def of_stack(self) -> list[Callable[..., Any]]:
        """Tools on the stack itself."""

        def stack_plan() -> Any:
            """Show what the stack costs against its budget, as it will be with everything that is approved."""
            return json.loads(self.desk.plan(self.stack).model_dump_json())

        def stack_status() -> Any:
            """Show every service with its health and memory, and the last pipeline run."""
            from infra.reach import daemon
            from stack_runtime.status import last_run, services

            with daemon(self.project, self.stack) as client:
                return {"services": services(client, self.stack), "last_run": last_run(client, self.stack)}

        def stack_logs(service: str) -> Any:
            """Show the last lines that a service logged."""
            from infra.reach import daemon
            from stack_runtime.docker_host import running

            with daemon(self.project, self.stack) as client:
                text = running(client, self.stack, service).logs(tail=LOG_LINES)
            return text.decode(errors="replace").splitlines()

        def stack_history() -> Any:
            """Show who planned, approved and changed what."""
            return self.desk.history(self.stack)

        return [tool(function) for function in (stack_plan, stack_status, stack_logs, stack_history)]


def of_project(desk: ScalingDesk, stack: str, project: Path | None = None) -> Toolbox:
    """The tools of a project: data of `FDS_DATABASE`, else of its local runs."""
    folder = project or project_dir()
    database = Path(os.environ.get("FDS_DATABASE", folder / ".fds" / "local" / DATABASE_NAME))
    return Toolbox(desk, stack, folder, database, beside(database).dbt_target)

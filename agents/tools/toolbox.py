"""Collect the tools of an agent for one stack. No argument of a tool can name another stack.

These tools only read. To change something, an agent needs a proposal; to run something, a job. A person must approve
both.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from agents.changes.service import ChangeService
from agents.tools import dbt, duckdb, meltano, stack
from agents.tools.airflow import Airflow
from agents.tools.pipeline_target import PipelineTarget, open_target
from agents.tools.result import tool


@dataclass(frozen=True)
class Toolbox:
    """The tools of one stack, and the sources from which they read.

    Args:
        open_target: returns a context manager that gives access to the data and the pipeline of the stack.
        find_airflow: returns a client of Airflow.
    """

    changes: ChangeService
    stack: str
    project: Path
    open_target: Callable[[], AbstractContextManager[PipelineTarget]]
    find_airflow: Callable[[], Airflow]

    def all(self) -> list[Callable[..., Any]]:
        """Return all tools; a language model calls them by the names of the functions."""
        return [*self._data_tools(), *self._loading_tools(), *self._stack_tools()]

    def _data_tools(self) -> list[Callable[..., Any]]:
        """Return the tools for data and models."""

        def duckdb_query(sql: str) -> Any:
            """Run one SQL query on the published data, read-only. Schemas: staging, intermediate, marts."""
            with self.open_target() as target:
                return duckdb.query(target, sql)

        def dbt_models() -> Any:
            """List the dbt models with their descriptions."""
            with self.open_target() as target:
                return dbt.models(target)

        def dbt_show(model: str, rows: Annotated[int, Field(ge=1, le=100)] = 10) -> Any:
            """Show the first rows of one dbt model."""
            with self.open_target() as target:
                return dbt.show(target, model, rows)

        def dbt_docs(model: str) -> Any:
            """Show description, columns, SQL and tests of one dbt model."""
            with self.open_target() as target:
                return dbt.docs(target, model)

        def dbt_lineage(model: str) -> Any:
            """Show the direct parents and children of one dbt model."""
            with self.open_target() as target:
                return dbt.lineage(target, model)

        def dbt_results() -> Any:
            """Show status and seconds of every model and test of the last run."""
            with self.open_target() as target:
                return dbt.results(target)

        return [tool(f) for f in (duckdb_query, dbt_models, dbt_show, dbt_docs, dbt_lineage, dbt_results)]

    def _loading_tools(self) -> list[Callable[..., Any]]:
        """Return the tools for Meltano's loads and Airflow's runs."""

        def meltano_plugins() -> Any:
            """List extractors and loaders with the names of their settings."""
            return meltano.plugins()

        def meltano_discover() -> Any:
            """Show streams and columns of the files in the landing folder."""
            with self.open_target() as target:
                return meltano.discover(target)

        def meltano_state() -> Any:
            """Show the saved state of each load."""
            with self.open_target() as target:
                return meltano.state(target)

        def airflow_runs(dag_id: str | None = None) -> Any:
            """List the last runs of one DAG, or of all DAGs if no id is given."""
            return self.find_airflow().runs(dag_id)

        def airflow_logs(dag_id: str, dag_run_id: str) -> Any:
            """Show the last log lines of each task of a run."""
            return self.find_airflow().logs(dag_id, dag_run_id)

        discover = tool(meltano_discover, seconds=meltano.DISCOVERY_SECONDS)
        return [discover, *(tool(f) for f in (meltano_plugins, meltano_state, airflow_runs, airflow_logs))]

    def _stack_tools(self) -> list[Callable[..., Any]]:
        """Return the tools for the stack itself."""

        def stack_plan() -> Any:
            """Show the plan of the stack, including all approved changes, with budget and verdict."""
            return stack.plan(self.changes, self.stack)

        def stack_cost() -> Any:
            """Show total, budget and cost lines of the plan."""
            return stack.cost(self.changes, self.stack)

        def stack_status() -> Any:
            """Show every service with its health and memory, and the last pipeline run."""
            return stack.status(self.project, self.stack)

        def stack_logs(service: str) -> Any:
            """Show the last log lines of a service."""
            return stack.logs(self.project, self.stack, service)

        def stack_drift() -> Any:
            """Show how many resources differ from what was deployed. This takes up to three minutes."""
            return stack.drift(self.project, self.stack)

        def stack_history() -> Any:
            """Show who planned, approved and applied what."""
            return self.changes.history(self.stack)

        drift = tool(stack_drift, seconds=stack.DRIFT_SECONDS)
        return [drift, *(tool(f) for f in (stack_plan, stack_cost, stack_status, stack_logs, stack_history))]


def project_toolbox(changes: ChangeService, stack: str, project: Path) -> Toolbox:
    """Return the tools for a stack of `project`; they read the data that `open_target` finds."""
    return Toolbox(
        changes, stack, project, lambda: open_target(project, stack), lambda: Airflow.of_stack(project, stack)
    )

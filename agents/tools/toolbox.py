"""All tools of an agent for one stack. The stack is fixed here: no argument of a tool can name another one.

These only read. What changes something is a job (`agents.jobs`), which a person approves.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from agents.scaling import ScalingDesk
from agents.tools import dbt, duckdb, meltano, stack
from agents.tools.airflow import Airflow
from agents.tools.target import PipelineTarget, open_target
from agents.tools.result import tool
from stack_runtime.paths import project_dir


@dataclass(frozen=True)
class Toolbox:
    """What the tools look at.

    Args:
        target: opens where the data of the stack lies.
        airflow: finds Airflow.
    """

    desk: ScalingDesk
    stack: str
    project: Path
    target: Callable[[], AbstractContextManager[PipelineTarget]]
    airflow: Callable[[], Airflow]

    def all(self) -> list[Callable[..., Any]]:
        """The tools, by the names that a model calls."""
        return [*self.of_data(), *self.of_loading(), *self.of_stack()]

    def of_data(self) -> list[Callable[..., Any]]:
        """Tools on data and models."""

        def duckdb_query(sql: str) -> Any:
            """Run one SQL query on the published data, read-only. Schemas: staging, intermediate, marts."""
            with self.target() as target:
                return duckdb.query(target, sql)

        def dbt_models() -> Any:
            """List the dbt models with their descriptions."""
            with self.target() as target:
                return dbt.models(target)

        def dbt_show(model: str, rows: Annotated[int, Field(ge=1, le=100)] = 10) -> Any:
            """Show the first rows of one dbt model."""
            with self.target() as target:
                return dbt.show(target, model, rows)

        def dbt_docs(model: str) -> Any:
            """Show what is written about one dbt model: description, columns, SQL, tests."""
            with self.target() as target:
                return dbt.docs(target, model)

        def dbt_lineage(model: str) -> Any:
            """Show what one dbt model is made from and what is made from it."""
            with self.target() as target:
                return dbt.lineage(target, model)

        def dbt_results() -> Any:
            """Show status and seconds of every model and test of the last run."""
            with self.target() as target:
                return dbt.results(target)

        return [tool(f) for f in (duckdb_query, dbt_models, dbt_show, dbt_docs, dbt_lineage, dbt_results)]

    def of_loading(self) -> list[Callable[..., Any]]:
        """Tools on loading and its schedule."""

        def meltano_plugins() -> Any:
            """List extractors and loaders with the names of their settings; values can be secret."""
            return meltano.plugins()

        def meltano_discover() -> Any:
            """Show streams and columns of the files that wait in the landing folder."""
            with self.target() as target:
                return meltano.discover(target)

        def meltano_state() -> Any:
            """Show how far each load has come."""
            with self.target() as target:
                return meltano.state(target)

        def airflow_runs(dag_id: str | None = None) -> Any:
            """List the last runs of one DAG, or of all."""
            return self.airflow().runs(dag_id)

        def airflow_logs(dag_id: str, dag_run_id: str) -> Any:
            """Show the last lines that each task of a run logged."""
            return self.airflow().logs(dag_id, dag_run_id)

        discover = tool(meltano_discover, seconds=meltano.DISCOVERY_SECONDS)
        return [discover, *(tool(f) for f in (meltano_plugins, meltano_state, airflow_runs, airflow_logs))]

    def of_stack(self) -> list[Callable[..., Any]]:
        """Tools on the stack itself."""

        def stack_plan() -> Any:
            """Show what the stack costs against its budget, as it will be with everything that is approved."""
            return stack.plan(self.desk, self.stack)

        def stack_cost() -> Any:
            """Show the bill alone: total, budget and every line of it."""
            return stack.cost(self.desk, self.stack)

        def stack_status() -> Any:
            """Show every service with its health and memory, and the last pipeline run."""
            return stack.status(self.project, self.stack)

        def stack_logs(service: str) -> Any:
            """Show the last lines that a service logged."""
            return stack.logs(self.project, self.stack, service)

        def stack_drift() -> Any:
            """Show what someone changed behind the stack's back. This takes up to three minutes."""
            return stack.drift(self.project, self.stack)

        def stack_history() -> Any:
            """Show who planned, approved and changed what."""
            return self.desk.history(self.stack)

        drift = tool(stack_drift, seconds=stack.DRIFT_SECONDS)
        return [drift, *(tool(f) for f in (stack_plan, stack_cost, stack_status, stack_logs, stack_history))]


def of_project(desk: ScalingDesk, name: str, project: Path | None = None) -> Toolbox:
    """The tools of a project's stack: the data of `FDS_DATABASE`, else of the stack's runner, else of local runs."""
    folder = project or project_dir()
    return Toolbox(desk, name, folder, lambda: open_target(folder, name), Airflow.from_environment)

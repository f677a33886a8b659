"""The tools that change something, as a model sees them. None of them can do anything.

A call of one ends the run of the model and becomes a job in the ledger. When a person approves, the job is done from
the ledger and its outcome is handed to the model in place of a result. So there is nothing here that a replayed
approval, or a call forged into a history, could set off.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from agents.tools.result import tool
from stack_runtime.errors import RefusedError


def meltano_run() -> Any:
    """Load what is new in the landing folder, build, test, and publish if every check passes. A person approves."""
    raise _nobody_approved()


def dbt_build(select: str | None = None) -> Any:
    """Build the models from the data that is loaded already, test, and publish. A person approves.

    Args:
        select: One model, with `+` before or behind it for its neighbours; everything when left out.
    """
    raise _nobody_approved()


def dbt_test(select: str | None = None) -> Any:
    """Run the tests of the models on a copy of the published data. A person approves.

    Args:
        select: One model, with `+` before or behind it for its neighbours; everything when left out.
    """
    raise _nobody_approved()


def airflow_trigger(dag_id: str) -> Any:
    """Start one run of a DAG. A person approves."""
    raise _nobody_approved()


def _nobody_approved() -> RefusedError:
    return RefusedError("this is done by the stack itself, when a person has approved it")


WRITING: tuple[Callable[..., Any], ...] = (tool(meltano_run), tool(dbt_build), tool(dbt_test), tool(airflow_trigger))

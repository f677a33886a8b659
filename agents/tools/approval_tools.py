"""Declare the tools that need approval, as a language model sees them. Their functions only raise an error.

A call of such a tool ends the model's run and becomes a job in the ledger. When a person approves the job, it runs with
the arguments in the ledger, and the model gets the outcome as the result of the call. Therefore, a replayed approval or
a call that was forged into a message history has no effect.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from agents.tools.result import tool
from stack_runtime.errors import RefusedError


def meltano_run() -> Any:
    """Load what is new in all sources, build and test the models, and publish if every check passes.

    A person must approve the run.
    """
    raise _not_approved()


def dbt_build(select: str | None = None) -> Any:
    """Build the models from loaded data, test them, and publish if every check passes. A person must approve the run.

    Args:
        select: One model; `+name` adds the models that it is built from, `name+` those that use it. Omit it for all.
    """
    raise _not_approved()


def dbt_test(select: str | None = None) -> Any:
    """Run the tests of the models on a copy of the published data. A person must approve the run.

    Args:
        select: One model; `+name` adds the models that it is built from, `name+` those that use it. Omit it for all.
    """
    raise _not_approved()


def airflow_trigger(dag_id: str) -> Any:
    """Start one run of a DAG. A person must approve the run."""
    raise _not_approved()


def _not_approved() -> RefusedError:
    return RefusedError("this runs only from the ledger, after a person approved it")


APPROVAL_TOOLS: tuple[Callable[..., Any], ...] = (
    tool(meltano_run),
    tool(dbt_build),
    tool(dbt_test),
    tool(airflow_trigger),
)

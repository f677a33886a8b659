"""Disable one defence at a time, so that the evals can show that a case fails without it.

A `Removal` is a function that disables a defence for one test. Each function of this module except `meltano_run` is a
`Removal` or returns one.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ConfigDict

from agents.changes import checks, history, ledger, planning
from agents.changes.bounds import Bounds
from agents.changes.jobs import AirflowTrigger, DbtBuild
from agents.changes.request import ScalingRequest
from agents.llm import agent
from agents.llm.schemas import Answer, WorkflowRequest
from agents.tools import duckdb
from infra.policy import docker_rules, inputs
from infra.scalable import KEYS
from tests.evals import steps

Removal = Callable[[pytest.MonkeyPatch], None]


class CoercingRequest(ScalingRequest):
    """A request that converts text and other types to numbers."""

    model_config = ConfigDict(strict=False)


class OpenRequest(ScalingRequest):
    """A request that ignores unknown fields."""

    model_config = ConfigDict(extra="ignore")


class UnprintableRequest(ScalingRequest):
    """A request with a reason that may contain control characters."""

    reason: str


class InvisibleAnswer(Answer):
    """An answer that may consist of invisible characters only."""

    text: str


class WideBounds(Bounds):
    """Bounds that ignore the given values and allow everything."""

    @classmethod
    def parse(cls, allow: str | None, up_to: str | None) -> Bounds:
        return Bounds(frozenset(KEYS), Decimal(10_000))


class OpenWorkflowRequest(WorkflowRequest):
    """A caller's request that ignores unknown fields."""

    model_config = ConfigDict(extra="ignore")


class AnySelector(DbtBuild):
    """A request for a dbt build; any text is accepted as the selector."""

    select: str | None = None


class AnyDag(AirflowTrigger):
    """A request to run a DAG; any text is accepted as the name of the DAG."""

    dag_id: str


def meltano_run() -> dict[str, bool]:
    """Stand in for the tool `meltano_run`: report success without approval."""
    return {"success": True}


def replace_attribute(target: Any, name: str, value: Any) -> Removal:
    """Replace one attribute of a module or class."""
    return lambda patch: patch.setattr(target, name, value)


def skip_check(check: str, result: Any = None) -> Removal:
    """Replace a function of `checks` by a function that only returns `result`."""
    return lambda patch: patch.setattr(checks, check, lambda *_: result)


def duckdb_option(*path: str, value: Any) -> Removal:
    """Replace one of the options with which DuckDB opens the published data.

    Args:
        path: keys that lead to the option in `OPTIONS`, outermost first.
    """

    def remove(patch: pytest.MonkeyPatch) -> None:
        options = deepcopy(duckdb.OPTIONS)
        parent = options
        for key in path[:-1]:
            parent = parent[key]
        parent[path[-1]] = value
        patch.setattr(duckdb, "OPTIONS", options)

    return remove


def raise_limits(**limits: Any) -> Removal:
    """Raise limits of a model run."""
    return lambda patch: patch.setattr(steps, "LIMITS", replace(steps.LIMITS, **limits))


def any_container_input(name: str) -> Removal:
    """Let the policy pack accept every value of one input of a container."""
    return lambda patch: patch.setitem(docker_rules.CONTAINER_INPUTS, name, inputs.anything)


def without_trigger(name: str) -> Removal:
    """Create the ledger without the SQL trigger `name`, one of the triggers that protect its history."""
    kept = [part for part in history.TRIGGERS.split("CREATE TRIGGER ") if f" {name} " not in f" {part}"]
    return replace_attribute(history, "TRIGGERS", "CREATE TRIGGER ".join(kept))


def without_timeout(patch: pytest.MonkeyPatch) -> None:
    """Remove the time limit of a model run."""
    patch.setattr(agent.asyncio, "timeout", lambda _: _NoTimeout())


class _NoTimeout:
    async def __aenter__(self) -> None:
        return None

    async def __aexit__(self, *_: object) -> None:
        return None


def run_tools_without_approval(patch: pytest.MonkeyPatch) -> None:
    """Let the agent framework execute calls of tools that need approval without an approval."""
    real = agent.Tool
    patch.setattr(agent, "Tool", lambda *a, requires_approval=False, **more: real(*a, **more))


def always_within_budget(patch: pytest.MonkeyPatch) -> None:
    """Report every planned change as within the budget."""
    real = planning.diff
    patch.setattr(planning, "diff", lambda before, after: real(before, after).model_copy(update={"verdict": "within"}))


def everything_due(patch: pytest.MonkeyPatch) -> None:
    """Treat every applied change of the stack `prod` as due to be reverted."""
    patch.setattr(ledger.LedgerTransaction, "due", lambda transaction, _: transaction.in_state("applied", "prod"))


def due_by_column(patch: pytest.MonkeyPatch) -> None:
    """Select due changes only by the column `until`, without comparing it with the end that the proposal states."""
    patch.setattr(
        ledger.LedgerTransaction,
        "due",
        lambda transaction, now: transaction._entries(ledger.DUE, history.format_time(now)),
    )


def forget_approved(patch: pytest.MonkeyPatch) -> None:
    """Make planning ignore the changes that are approved but not yet applied."""
    patch.setattr(ledger.LedgerTransaction, "pending", lambda *_: [])


def forget_failures(patch: pytest.MonkeyPatch) -> None:
    """Read the history without the events `failed`."""
    real = history.History.events_of
    patch.setattr(history.History, "events_of", lambda *a: [line for line in real(*a) if line[0] != "failed"])


def without_transactions(patch: pytest.MonkeyPatch) -> None:
    """Commit each statement at once, and synchronize simultaneous approvals so that they overlap."""
    barrier = threading.Barrier(8)
    real = ledger.LedgerTransaction.approve

    @contextmanager
    def autocommit(self: ledger.Ledger) -> Iterator[ledger.LedgerTransaction]:
        with contextlib.closing(sqlite3.connect(self._file, timeout=30, isolation_level=None)) as connection:
            yield ledger.LedgerTransaction(connection)

    def approve(self: ledger.LedgerTransaction, *details: Any) -> None:
        with contextlib.suppress(threading.BrokenBarrierError):
            barrier.wait(5)
        real(self, *details)

    patch.setattr(ledger.Ledger, "transaction", autocommit)
    patch.setattr(ledger.LedgerTransaction, "approve", approve)


def without_memory_limit(patch: pytest.MonkeyPatch) -> None:
    """Raise the memory limit and the time limit of queries so far that neither stops the query of the case."""
    patch.setattr(duckdb, "MEMORY_BYTES", 1 << 36)
    patch.setattr(duckdb, "SECONDS", 60.0)

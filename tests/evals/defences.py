"""Every defence, and how to take it away. A defence that no case would miss does not deserve its name."""

from __future__ import annotations

import contextlib
import re
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ConfigDict

from agents import assistant, base, bounds, checks, history, ledger, planning, request, spending
from agents.jobs import AirflowTrigger, DbtBuild
from agents.request import Answer, ScalingRequest, WorkflowRequest
from agents.tools import duckdb, result
from infra import stack_file
from infra.cost.planning import group
from infra.cost.planning import scaling as cost_scaling
from infra.policy import docker_rules, inputs
from tests.evals import play


class _Lax(ScalingRequest):
    model_config = ConfigDict(strict=False)


class _Open(ScalingRequest):
    model_config = ConfigDict(extra="ignore")


class _Unprintable(ScalingRequest):
    reason: str


class _Blank(Answer):
    text: str


class _Boundless(bounds.Bounds):
    @classmethod
    def of(cls, allow: str | None, up_to: str | None) -> bounds.Bounds:
        return bounds.Bounds(frozenset(bounds.KEYS), Decimal(10_000))


class _OpenWorkflow(WorkflowRequest):
    model_config = ConfigDict(extra="ignore")


class _AnySelector(DbtBuild):
    select: str | None = None


class _AnyDag(AirflowTrigger):
    dag_id: str


def meltano_run() -> dict[str, bool]:
    """A tool that does it."""
    return {"success": True}


_does_it = meltano_run


def _at_once(patch: pytest.MonkeyPatch) -> None:
    """Calls of what changes something are carried out by the framework."""
    real = base.Tool
    patch.setattr(base, "Tool", lambda *a, requires_approval=False, **more: real(*a, **more))


@dataclass(frozen=True)
class Defence:
    """One defence.

    Args:
        name: what it guards, as the documentation lists it.
        case: the table and the case that fails without it.
        remove: takes it away for one test.
    """

    name: str
    case: str
    remove: Callable[[pytest.MonkeyPatch], None]


def _without(check: str, answer: Any = None) -> Callable[[pytest.MonkeyPatch], None]:
    return lambda patch: patch.setattr(checks, check, lambda *_: answer)


def _set(target: Any, name: str, value: Any) -> Callable[[pytest.MonkeyPatch], None]:
    return lambda patch: patch.setattr(target, name, value)


def _option(*path: str, value: Any) -> Callable[[pytest.MonkeyPatch], None]:
    def remove(patch: pytest.MonkeyPatch) -> None:
        options = deepcopy(duckdb.OPTIONS)
        place = options
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value
        patch.setattr(duckdb, "OPTIONS", options)

    return remove


def _always_within(patch: pytest.MonkeyPatch) -> None:
    real = planning.diff
    patch.setattr(planning, "diff", lambda before, after: real(before, after).model_copy(update={"verdict": "within"}))


def _all_due(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ledger.Book, "due", lambda book, _: book.in_state("applied", "prod"))


def _no_transactions(patch: pytest.MonkeyPatch) -> None:
    """Every statement for itself; all who are about to approve wait for each other."""
    meeting = threading.Barrier(8)
    real = ledger.Book.approve

    @contextmanager
    def careless(self: ledger.Ledger) -> Iterator[ledger.Book]:
        with contextlib.closing(sqlite3.connect(self._file, timeout=30, isolation_level=None)) as connection:
            yield ledger.Book(connection)

    def approve(self: ledger.Book, *details: Any) -> None:
        with contextlib.suppress(threading.BrokenBarrierError):
            meeting.wait(5)
        real(self, *details)

    patch.setattr(ledger.Ledger, "open", careless)
    patch.setattr(ledger.Book, "approve", approve)


def _without_trigger(name: str) -> Callable[[pytest.MonkeyPatch], None]:
    kept = [part for part in history.TRIGGERS.split("CREATE TRIGGER ") if f" {name} " not in f" {part}"]
    return _set(history, "TRIGGERS", "CREATE TRIGGER ".join(kept))


def _failures_untold(patch: pytest.MonkeyPatch) -> None:
    real = history.History.told_of
    patch.setattr(history.History, "told_of", lambda *a: [line for line in real(*a) if line[0] != "failed"])


def _by_the_column(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ledger.Book, "due", lambda book, now: book._entries(ledger.DUE, history.text_of(now)))


def _much_memory(patch: pytest.MonkeyPatch) -> None:
    """With time to spare, so that it is the memory that is missed."""
    patch.setattr(duckdb, "MEMORY_BYTES", 1 << 36)
    patch.setattr(duckdb, "SECONDS", 60.0)


def _nothing_put_back(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(stack_file, "put_back", lambda *_: None)


def _unlimited(**limits: Any) -> Callable[[pytest.MonkeyPatch], None]:
    def remove(patch: pytest.MonkeyPatch) -> None:
        if "seconds" in limits:
            patch.setattr(base.asyncio, "timeout", lambda _: _Timeless())
        else:
            patch.setattr(play, "LIMITS", replace(play.LIMITS, **limits))

    return remove


class _Timeless:
    async def __aenter__(self) -> None:
        return None

    async def __aexit__(self, *_: object) -> None:
        return None


def _nothing_is_raised(*_: Any) -> None:
    return None


def _any_input(name: str) -> Callable[[pytest.MonkeyPatch], None]:
    return lambda patch: patch.setitem(docker_rules.CONTAINER_INPUTS, name, inputs.anything)


def _forget_approved(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ledger.Book, "pending", lambda *_: [])


DEFENCES = (
    # sources of settings, and what counts in the budget
    Defence(
        "each setting has one key",
        "sources/bare-type-after-the-approval",
        _set(stack_file, "_OWN_KEY", re.compile(".*")),
    ),
    Defence(
        "no settings in Pulumi.yaml",
        "sources/project-s-settings",
        _set(stack_file, "_refuse_project_config", _nothing_is_raised),
    ),
    Defence(
        "no ambiguous values", "sources/octal-before-the-plan", _set(stack_file, "_refuse_ambiguous", lambda _: None)
    ),
    Defence("running stacks count", "group/stack-without-a-file", _set(group, "_running_stacks", lambda *_: set())),
    Defence(
        "running resources outside the plan count",
        "group/second-server-of-its-own",
        _set(group, "_extras", lambda *_: []),
    ),
    Defence("no host paths", "pack/socket-with-more-slashes", _any_input("volumes")),
    Defence("no bind mounts", "pack/socket-as-a-bind-mount", _any_input("mounts")),
    Defence("only known security options", "pack/unconfined", _any_input("securityOpts")),
    Defence("only known networks", "pack/network-of-another", _any_input("networkMode")),
    Defence(
        "only the proxy publishes ports", "pack/label-of-the-proxy", _set(docker_rules, "ports_problem", lambda *_: ())
    ),
    Defence("only known inputs", "pack/device", _set(docker_rules, "problems", lambda *_: ())),
    # what a model can say
    Defence("numbers are numbers", "numbers/string-workers", _set(base, "ScalingRequest", _Lax)),
    Defence("no field for prices, budgets or approvals", "invented/budget", _set(base, "ScalingRequest", _Open)),
    Defence("one printable line of reason", "display/escape-sequence", _set(base, "ScalingRequest", _Unprintable)),
    Defence("texts must be visible", "display/invisible-answer", _set(base, "Answer", _Blank)),
    Defence("no invisible characters", "display/blank-fillers-for-a-reason", _set(request, "_BLANK", frozenset())),
    Defence("printable answers", "display/answer-escape", _set(assistant, "printable", lambda text: text)),
    Defence("a limit on turns", "slow_models/calls-for-ever", _unlimited(requests=40)),
    Defence("a limit on calls", "slow_models/hundred-calls-at-once", _unlimited(tool_calls=10_000)),
    Defence("a limit on time", "slow_models/sleeps", _unlimited(seconds=None)),
    Defence("no history from callers", "history/message-history", _set(play, "WorkflowRequest", _OpenWorkflow)),
    Defence("daily budget of a token", "spending/budget-of-a-token", _set(spending, "TOKEN_USD", Decimal(999))),
    Defence("daily budget of a stack", "spending/budget-of-a-stack", _set(spending, "STACK_USD", Decimal(999))),
    Defence(
        "limit of simultaneous runs of a token", "spending/eight-of-a-token-at-once", _set(spending, "TOKEN_RUNS", 99)
    ),
    Defence("limit of simultaneous runs of a stack", "spending/eight-tokens-at-once", _set(spending, "STACK_RUNS", 99)),
    # what is proposed
    Defence("the verdict of the cost model", "over_budget/large-server", _always_within),
    Defence("approved changes count", "salami/approved-but-not-applied-counts", _forget_approved),
    Defence("alternatives give up nothing else", "shrinking/backups-are-not-given-up", _without("is_part_of", True)),
    Defence("volumes only grow", "shrinking/smaller-volume", _set(cost_scaling, "refuse_harm", _nothing_is_raised)),
    Defence("what only grows is not temporary", "tricks/small-volume-for-a-day", _without("can_end")),
    Defence("temporary changes do not nest", "tricks/a-week-within-a-day", _without("not_nested")),
    # what is approved
    Defence("one approval a proposal", "approvals/failed-is-not-approved-again", _without("undecided")),
    Defence("proposals age", "approvals/late-approval", _without("recent")),
    Defence("the digest that the person saw", "approvals/wrong-digest", _without("same_plan")),
    Defence("the stack it was planned on", "changed_meanwhile/edited-before-approval", _without("unchanged")),
    Defence("the token that was issued", "approvals/guessed-after-approval", _without("right_token")),
    Defence("a token is spent once", "approvals/spent-by-failure", _without("unspent")),
    Defence("approvals lapse", "approvals/late-application", _without("not_lapsed")),
    Defence("the ledger holds what was approved", "approvals/document-swapped-after-approval", _without("as_approved")),
    Defence("other stacks' proposals are unknown", "foreign/approve", _without("of_this_stack")),
    Defence("time never goes back", "clock/lapsed-approval", _set(history.History, "time", lambda _, now: now)),
    # what `--yes` approves without asking
    Defence("`--yes` needs bounds", "unasked/no-bounds", _set(play, "Bounds", _Boundless)),
    Defence("only allowed settings change", "unasked/another-key", _without("allowed_unasked")),
    Defence("the cost limit of `--yes`", "unasked/a-cent-too-dear", _without("cheap_enough_unasked")),
    Defence("irreversible changes need approval", "unasked/a-volume-though-it-is-allowed", _without("can_be_undone")),
    Defence("runs need approval", "unasked/a-load", _without("unasked")),
    # what the ledger stores
    Defence("one transaction at a time", "races/eight-approve", _no_transactions),
    Defence(
        "one change at a time",
        "races/eight-take-back",
        _set(ledger.Ledger, "alone", lambda _: contextlib.nullcontext()),
    ),
    Defence(
        "history is only added to",
        "approvals/history-rewritten",
        _set(history, "TRIGGERS", ""),
    ),
    Defence("history lines cannot be replaced", "ledger/replaced", _without_trigger("history_is_not_replaced")),
    Defence("history has no gaps", "ledger/chosen-number", _without_trigger("history_has_no_gaps")),
    Defence("history hashes are checked", "ledger/line-added", _set(history.History, "wrong_line", lambda _: None)),
    Defence("a changed history blocks all changes", "ledger/without-triggers", _without("untouched")),
    Defence("the history decides on the state", "ledger/spent-approval-revived", _failures_untold),
    Defence(
        "the history decides on the approval", "ledger/another-token-in-the-table", _set(ledger.Entry, "recorded", True)
    ),
    Defence("a change is reverted only once", "ledger/ended-change-revived", _without("not_ended")),
    Defence("the approved end counts", "ledger/end-brought-forward", _by_the_column),
    # what is done
    Defence("what changes something ends the run", "jobs/waits", _at_once),
    Defence("tools that change something are empty", "jobs/replayed-approval", _set(assistant, "WRITING", (_does_it,))),
    Defence("plain selectors", "jobs/selector-is-an-option", _set(assistant, "WORK", {"dbt_build": _AnySelector})),
    Defence("plain names of DAGs", "jobs/dag-is-a-path", _set(assistant, "WORK", {"airflow_trigger": _AnyDag})),
    Defence("a few jobs at once", "jobs/five-at-once", _set(assistant, "MOST_JOBS", 99)),
    Defence(
        "a call is ordered once",
        "jobs/call-used-again",
        _set(ledger, "_SCHEMA", ledger._SCHEMA.replace("call_id TEXT UNIQUE", "call_id TEXT")),
    ),
    # what is applied
    Defence("the gate on fresh prices", "changed_meanwhile/sold-out-meanwhile", _without("allowed_now")),
    Defence("no dearer than approved", "changed_meanwhile/dearer-but-within", _without("no_dearer")),
    Defence("the server that was approved", "changed_meanwhile/another-server", _without("same_server")),
    Defence(
        "the file says what was approved", "changed_meanwhile/budget-edited-while-planning", _without("as_written")
    ),
    Defence("a failed change is put back", "changed_meanwhile/failed-deployment-puts-back", _nothing_put_back),
    Defence("temporary changes end on time", "way_back/not-before-its-time", _all_due),
    Defence("what was changed since is kept", "way_back/changed-by-hand-since", _without("still_there", ["workers"])),
    # what tools give
    Defence("the data is opened to read", "sql/insert", _option("read_only", value=False)),
    Defence("no files, no network", "sql/read-csv", _option("config", "enable_external_access", value="true")),
    Defence("locked configuration", "sql/more-memory", _option("config", "lock_configuration", value="false")),
    Defence("a limit on a query's time", "sql/slow", _set(duckdb, "SECONDS", 60.0)),
    Defence("a limit on a query's memory", "sql/gigabyte", _much_memory),
    Defence("a limit on an answer's size", "sql/wide-and-long", _set(result, "capped", lambda data: (data, False))),
)

ELSEWHERE = {"hashed"}
"""Functions of `checks` that are no defence of their own."""

"""Test that a stack with `serverType: auto` gets its former server back when a temporary change is reverted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agents.changes.applying import Outcome
from agents.changes.proposal import Proposal
from agents.changes.request import ScalingRequest
from infra import stack_file
from infra.cost import Deployed
from stack_runtime.errors import RefusedError, StackError
from tests.evals.environment import EvalEnvironment

MEMORY = {"memory_mb": {"pipeline": 1000}}
"""A change for which `auto` selects a larger server."""
TYPE = {"server_type": "cpx32"}


@pytest.fixture
def env(tmp_path: Path) -> EvalEnvironment:
    """Return an environment with a running cpx22, on which the larger cpx32 is within the budget."""
    folder = tmp_path / "project"
    folder.mkdir()
    env = EvalEnvironment(folder, existing=Deployed("cpx22", "fsn1", 10, 80, "x86", "fsn1"))
    env.edit({"serverType": "auto", "fxRate": "1.1133"})
    return env


def _apply(env: EvalEnvironment, *, days: int | None, **values: Any) -> Proposal:
    proposal = env.changes.propose("prod", ScalingRequest(reason="x", days=days, **values), "ann")
    env.approved.append(proposal)
    assert env.changes.approve_and_apply(proposal.id, proposal.digest, "bob").status == "applied"
    return proposal


def _expire(env: EvalEnvironment, days: int) -> list[Outcome]:
    env.now += timedelta(days=days)
    env.latest = env.now
    return env.changes.expire()


def _server(env: EvalEnvironment) -> str:
    assert env.existing
    return env.existing.server_type


def _fail_at(count: int) -> Callable[[], None]:
    """Return a function that raises an error when it is called for the `count`-th time, as a deployment may do."""
    calls = iter(range(1, 100))

    def fail() -> None:
        if next(calls) == count:
            raise StackError("the engine failed")

    return fail


@pytest.mark.parametrize("change", [MEMORY, TYPE, {**MEMORY, **TYPE}])
@pytest.mark.parametrize("location", ["fsn1", "auto"])
def test_stack_gets_the_former_server_and_auto_back(env: EvalEnvironment, change: Any, location: str) -> None:
    env.edit({"location": location})
    proposal = _apply(env, days=3, **change)
    assert _server(env) == "cpx32" and "UTC, then back to cpx22." in proposal.reason
    outcomes = _expire(env, 4)
    assert [(outcome.status, outcome.problems) for outcome in outcomes] == [("taken back", ())]
    assert (_server(env), stack_file.read(env.folder, "prod")) == ("cpx22", env.original)
    assert _expire(env, 1) == [] and not env.violations()


def test_text_of_a_temporary_change_names_no_server_if_the_server_stays(env: EvalEnvironment) -> None:
    assert "UTC, then back. " in _apply(env, days=3, backups=True).reason


@pytest.mark.parametrize("change", [MEMORY, TYPE])
@pytest.mark.parametrize(("failing", "server", "kind"), [(1, "cpx32", "as before"), (2, "cpx22", "cpx22")])
def test_revert_whose_deployment_fails_is_finished_by_the_next_call(
    env: EvalEnvironment, change: Any, failing: int, server: str, kind: str
) -> None:
    """The first deployment names the former server; the second one has `auto` again."""
    _apply(env, days=3, **change)
    before = stack_file.read(env.folder, "prod")
    env.before_deploying = _fail_at(failing)
    assert [outcome.status for outcome in _expire(env, 4)] == ["not taken back"]
    expected = before.server_type if kind == "as before" else kind
    assert (_server(env), stack_file.read(env.folder, "prod").server_type) == (server, expected)
    assert [outcome.status for outcome in _expire(env, 1)] == ["taken back"]
    assert _server(env) == "cpx22" and stack_file.read(env.folder, "prod").services == {}
    assert _expire(env, 1) == []


@pytest.mark.parametrize("change", [MEMORY, TYPE])
def test_revert_killed_while_the_former_server_is_named_is_finished_by_the_next_call(
    env: EvalEnvironment, change: Any
) -> None:
    """Write what the killed process left: the stack file names the former server, but the larger one still runs."""
    _apply(env, days=3, **change)
    stack_file.write(env.folder, "prod", {"serverType": "cpx22", "services": {}})
    assert [outcome.status for outcome in _expire(env, 4)] == ["taken back"]
    assert _server(env) == "cpx22" and _expire(env, 1) == []


def test_revert_that_a_larger_disk_prevents_says_so_and_how_to_end_the_change(env: EvalEnvironment) -> None:
    _apply(env, days=3, **MEMORY)
    assert env.existing
    env.existing = replace(env.existing, disk_gb=160)
    (outcome,) = _expire(env, 4)
    assert (outcome.status, outcome.exit_code) == ("not taken back", 3)
    assert outcome.problems == (
        "the stack cannot go back to its former server: the server's disk of 160 GB cannot shrink to the 80 GB of "
        "cpx22 (stack prod); next: fds down --stack prod, which keeps the data volume, then fds expire, for a new "
        "server; or fds scale serverType=cpx32 --stack prod --apply, then fds expire, to keep cpx32",
    )
    assert _server(env) == "cpx32"


@pytest.mark.parametrize(("advice", "server"), [("down", "cpx22"), ("keep", "cpx32")])
def test_advice_after_a_prevented_revert_ends_the_change(env: EvalEnvironment, advice: str, server: str) -> None:
    _apply(env, days=3, **MEMORY)
    assert env.existing
    env.existing = replace(env.existing, disk_gb=160)
    assert [outcome.status for outcome in _expire(env, 4)] == ["not taken back"]
    if advice == "down":
        env.existing = Deployed(volume_gb=10, volume_location="fsn1")
    else:
        env.edit({"serverType": "cpx32"})
    assert [outcome.status for outcome in _expire(env, 0)] == ["taken back"]
    assert _server(env) == server and stack_file.read(env.folder, "prod").services == {}


def test_revert_names_no_server_to_keep_if_the_change_was_about_the_server_type(env: EvalEnvironment) -> None:
    """The stack file names the type of the change already, so naming it again would not keep it."""
    _apply(env, days=3, **TYPE)
    assert env.existing
    env.existing = replace(env.existing, disk_gb=160)
    (outcome,) = _expire(env, 4)
    assert "fds down --stack prod" in outcome.problems[0] and "to keep" not in outcome.problems[0]


def test_revert_to_a_sold_out_or_too_small_server_says_so_and_how_to_keep_the_larger_one(env: EvalEnvironment) -> None:
    _apply(env, days=3, **MEMORY)
    env.sold_out = "cpx22"
    (outcome,) = _expire(env, 4)
    assert outcome.problems == (
        "the stack cannot go back to its former server: cpx22 in fsn1 is sold out (stack prod); next: "
        "fds scale serverType=cpx32 --stack prod --apply, then fds expire, to keep cpx32",
    )
    env.sold_out = ""
    env.edit({"services": {"pipeline": {"memoryMb": 1000}, "postgres": {"memoryMb": 3000}}})
    (outcome,) = _expire(env, 0)
    assert outcome.status == "not taken back" and "its former server: cpx22 in fsn1: memory" in outcome.problems[0]


def test_revert_keeps_a_running_server_that_is_smaller_than_the_former_one(env: EvalEnvironment) -> None:
    """The second change was planned on the larger server of the first change, which has ended."""
    _apply(env, days=3, **MEMORY)
    _apply(env, days=6, memory_mb={"postgres": 300})
    assert [outcome.status for outcome in _expire(env, 4)] == ["taken back"]
    assert _server(env) == "cpx22"
    assert [outcome.status for outcome in _expire(env, 4)] == ["taken back"]
    assert _server(env) == "cpx22" and stack_file.read(env.folder, "prod") == env.original


@pytest.mark.parametrize("file", ["auto", "cpx22"])
def test_revert_keeps_a_server_type_that_a_later_change_named(env: EvalEnvironment, file: str) -> None:
    env.edit({"serverType": file})
    _apply(env, days=3, memory_mb={"postgres": 300})
    _apply(env, days=None, **TYPE)
    assert [(outcome.status, outcome.problems) for outcome in _expire(env, 4)] == [("taken back", ())]
    settings = stack_file.read(env.folder, "prod")
    assert (_server(env), settings.server_type, settings.services) == ("cpx32", "cpx32", {})


def test_change_that_leaves_a_server_type_for_good_cannot_be_temporary(env: EvalEnvironment) -> None:
    env.sold_out = "cpx22"
    with pytest.raises(RefusedError, match="cannot be temporary: cpx22 cannot be ordered any more"):
        env.changes.propose("prod", ScalingRequest(reason="x", days=3, **MEMORY), "ann")
    assert env.changes.propose("prod", ScalingRequest(reason="x", days=3, backups=True), "ann").decision == "accept"

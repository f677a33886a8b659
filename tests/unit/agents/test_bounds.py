"""Test the bounds of `fds ask --yes`: which values are valid, and which changes need a person despite `--yes`."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from agents.changes import checks
from agents.changes.bounds import Bounds, OutOfBoundsError, scaled_keys
from agents.changes.proposal import CHANGEABLE, Proposal
from agents.changes.request import ScalingRequest
from infra.scalable import KEYS
from infra.settings import Settings
from stack_runtime.errors import UsageError
from tests.evals.environment import EvalEnvironment

ALL = Bounds(frozenset(KEYS), Decimal(10_000))


@pytest.fixture
def proposal(tmp_path: Path) -> Proposal:
    folder = tmp_path / "project"
    folder.mkdir()
    return EvalEnvironment(folder).changes.propose("prod", ScalingRequest(reason="x", workers=2), "ann")


def test_option_allow_has_a_key_for_each_changeable_setting() -> None:
    """Each setting that a proposal may change has one key, but `services` has two: one for memory, one for CPU."""
    from pydantic.alias_generators import to_camel

    assert {to_camel(name) for name in CHANGEABLE} - {"services"} | {"memory", "cpu"} == set(KEYS)


@pytest.mark.parametrize(
    ("allow", "up_to"),
    [(None, None), ("workers", None), (None, "40"), ("", "40"), ("workers,", "40"), ("budgetUsd", "40"),
     ("memory.postgres", "40"), ("*", "40"), ("workers", ""), ("workers", "1e9"), ("workers", "inf"),
     ("workers", "4٠"), ("workers", "-1"), ("workers", "40 EUR")],
)  # fmt: skip
def test_invalid_bounds_are_usage_errors(allow: str | None, up_to: str | None) -> None:
    with pytest.raises(UsageError, match="--allow workers,memory --up-to 40"):
        Bounds.parse(allow, up_to)


def test_valid_bounds_are_parsed() -> None:
    assert Bounds.parse("workers, memory", "40.50") == Bounds(frozenset({"workers", "memory"}), Decimal("40.50"))


def test_scaled_keys_distinguish_memory_and_cpu() -> None:
    def of(**services: dict[str, float]) -> Settings:
        return Settings.of("dev", {"services": services})

    memory, both = of(postgres={"memoryMb": 256}), of(postgres={"memoryMb": 256, "cpu": 0.5})
    assert scaled_keys(of(), memory) == ["memory"] and scaled_keys(memory, both) == ["cpu"]
    assert scaled_keys(both, of(redis={"cpu": 0.5})) == ["memory", "cpu"]
    assert scaled_keys(memory, of(postgres={"memoryMb": 256}, redis={})) == []
    assert scaled_keys(of(), Settings.of("dev", {"budgetUsd": "500"})) == ["budgetUsd"]


def test_option_yes_does_not_cover_a_change_with_an_unknown_total_cost(proposal: Proposal) -> None:
    unknown = proposal.plan_after.model_copy(update={"total_usd": None})
    checks.covered_by_yes(ALL, proposal)
    with pytest.raises(OutOfBoundsError, match="unknown"):
        checks.covered_by_yes(ALL, proposal.model_copy(update={"plan_after": unknown}))


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ({}, {"location": "nbg1"}, "replaced"),
        ({}, {"architecture": "arm"}, "replaced"),
        ({}, {"disk_gb": 40}, "a disk of 40 GB"),
        ({"orderable": False}, {"type": "cpx32", "orderable": True}, "cannot be ordered any more"),
        (None, {}, "is unknown"),
        ({}, None, "is unknown"),
    ],
)
def test_option_yes_does_not_cover_an_irreversible_server_change_or_an_unknown_server(
    proposal: Proposal, before: dict[str, object] | None, after: dict[str, object] | None, why: str
) -> None:
    """The check compares the servers of the plans before and after the change, not the changed setting."""
    plans = {}
    for name, update in (("plan_before", before), ("plan_after", after)):
        plan = getattr(proposal, name)
        server = None if update is None else plan.server.model_copy(update=update)
        plans[name] = plan.model_copy(update={"server": server})
    with pytest.raises(OutOfBoundsError, match=why):
        checks.can_be_undone(proposal.model_copy(update=plans))

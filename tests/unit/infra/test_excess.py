"""Test that the budget is checked again after a deployment, because it may be exceeded by then."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import pytest

from infra.cost import Plan
from infra.cost.planning.inputs import Running
from infra.cost.planning_inputs import PlanningInputs
from infra.engine.identity import Owner
from infra.engine.stack_operations import StackOperations
from infra.operations import deploy
from infra.settings import Settings
from stack_runtime.errors import RefusedError, UnknownError
from tests.unit.cost import kit

OWN = kit.settings(serverType="cpx22", budgetUsd=30)
BEFORE = kit.planned(OWN, running=())
LAB = Running("lab", "server", "server lab", Decimal(25), Decimal(30))
NO_RATE = kit.planned(OWN, rate=None)
DEARER = kit.RATE.model_copy(update={"rate": Decimal("1.6")})


@dataclass
class _Deployed:
    """Double of a deployment that has just succeeded."""

    settings: Settings
    plan: Plan | None = BEFORE
    project = Path()
    owner = Owner("one", dict)


def _check(monkeypatch: pytest.MonkeyPatch, settings: Settings, now: Plan | UnknownError) -> list[Any]:
    """Check again, with `now` as the result of the new plan; return the stacks for which plans were made."""
    asked: list[Any] = []

    class Inputs:
        def plan(self, settings: Settings) -> Plan:
            asked.append(settings.stack)
            if isinstance(now, UnknownError):
                raise now
            return now

    monkeypatch.setattr(PlanningInputs, "of", lambda *_, **__: Inputs())
    deploy._refuse_excess(cast(StackOperations, _Deployed(settings)))
    return asked


def _dearer_type() -> Plan:
    types = kit.server_types()
    for kind in types:
        for price in kind["prices"] if kind["name"] == "cpx22" else ():
            for period in ("price_hourly", "price_monthly"):
                price[period] = {tax: str(Decimal(amount) * 2) for tax, amount in price[period].items()}
    return kit.planned(OWN, prices=kit.price_list(types=types), running=())


@pytest.mark.parametrize(
    ("now", "cause", "way"),
    [
        (
            kit.planned(OWN, running=(LAB,)),
            r"stack lab costs \$30\.00 now, not \$0\.00",
            "fds down --stack prod, or remove",
        ),
        (_dearer_type(), r"server cpx22 in fsn1 costs \$53\.98 now, not \$26\.99", "fds (scale|cost) "),
        (
            kit.planned(OWN, rate=DEARER, running=()),
            "the exchange rate rose from 1.1637 to 1.6 dollars",
            "fds (scale|cost) ",
        ),
    ],
    ids=["another stack", "price", "exchange rate"],
)
def test_deployment_that_exceeds_the_budget_by_now_fails_and_names_what_costs_more(
    now: Plan, cause: str, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RefusedError) as caught:
        _check(monkeypatch, OWN, now)
    text = str(caught.value)
    assert re.match(rf"deployed, but over the budget by now, because {cause}:\n", text), text
    assert re.search(rf"over: .*; next: {way}", text), text


@pytest.mark.parametrize("now", [BEFORE, NO_RATE, UnknownError("no list")], ids=["within", "no rate", "no prices"])
def test_deployment_succeeds_if_the_cost_is_still_within_the_budget_or_has_become_unknown(
    monkeypatch: pytest.MonkeyPatch, now: Plan | UnknownError
) -> None:
    assert _check(monkeypatch, OWN, now) == ["prod"]


def test_cost_is_not_checked_again_after_the_deployment_of_a_stack_that_rents_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert _check(monkeypatch, Settings.of("prod", {"host": "local"}), BEFORE) == []

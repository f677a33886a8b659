"""Test that all stacks of one budget group are planned with the same tax, exchange rate and prices."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from infra import stack_file
from infra.cost import Plan
from infra.cost.planning_inputs import PlanningInputs
from stack_runtime.errors import UsageError
from tests.unit.cost.test_change import write_stack_files


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plan without an account and with an empty cache of exchange rates."""
    for name in ("HCLOUD_TOKEN", "FDS_PRICES_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FDS_CACHE_DIR", str(tmp_path))


def _planned_in(project: Path, stack: str) -> Plan:
    settings = stack_file.read(project, stack)
    return PlanningInputs.of(settings, date(2026, 11, 1), project=project, allow_snapshot=True).plan(settings)


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("other", ["host: hetzner", "host: ssh; sshHost: 192.0.2.1"])
@pytest.mark.parametrize("stack", ["prod", "staging"])
def test_different_tax_settings_within_one_budget_group_are_refused_from_either_stack(
    tmp_path: Path, stack: str, other: str
) -> None:
    project = write_stack_files(tmp_path, prod=f"{other}; tax: net", staging="host: hetzner")
    with pytest.raises(UsageError, match="tax is net in stack prod but gross in stack staging") as caught:
        _planned_in(project, stack)
    commands = "pulumi config set tax gross --stack prod, or pulumi config set tax net --stack staging"
    assert caught.value.next_command == commands


@pytest.mark.usefixtures("offline")
def test_different_tax_settings_in_different_budget_groups_are_accepted(tmp_path: Path) -> None:
    project = write_stack_files(tmp_path, prod="host: hetzner; tax: net", lab="host: hetzner; budgetGroup: lab")
    net, gross = (_planned_in(project, stack).total_usd for stack in ("prod", "lab"))
    assert net is not None and gross is not None and net < gross


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("given", ["1.05", "1.1633"])
def test_highest_stated_exchange_rate_of_a_budget_group_counts_in_the_plan_of_each_of_its_stacks(
    tmp_path: Path, given: str
) -> None:
    one, other = (f"host: hetzner; serverType: cpx22; fxRate: {rate}; fxDate: '2026-10-30'" for rate in (given, "1.11"))
    project = write_stack_files(tmp_path, prod=one, staging=other)
    plans = [_planned_in(project, stack) for stack in ("prod", "staging")]
    assert [plan.fx and plan.fx.rate for plan in plans] == [max(Decimal(given), Decimal("1.11"))] * 2
    assert plans[0].total_usd == plans[1].total_usd and plans[0].verdict == plans[1].verdict


@pytest.mark.usefixtures("offline")
def test_stated_exchange_rate_counts_although_another_stack_of_the_group_states_none(tmp_path: Path) -> None:
    own = "host: hetzner; serverType: cpx22; fxRate: 1.05; fxDate: '2026-10-30'"
    project = write_stack_files(tmp_path, prod=own, staging="host: hetzner; serverType: cpx22")
    fx = _planned_in(project, "prod").fx
    assert fx is not None and fx.rate == Decimal("1.05")

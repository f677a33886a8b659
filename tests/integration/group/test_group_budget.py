"""Test that no deployment brings a budget group over its budget, even after stack files or resources were edited."""

from __future__ import annotations

import json
import random
from decimal import Decimal
from pathlib import Path

import pytest
import yaml

from infra import stack_file
from infra.cost.planning.model import Plan
from infra.cost.planning_inputs import PlanningInputs, today
from stack_runtime.errors import StackError
from tests.integration.group.conftest import OWN, PRICING, Group
from tests.kit.hetzner.catalogue import SNAPSHOT

BUDGET = Decimal("120")
"""Monthly budget in US dollars, enough for two small stacks and a larger one."""
STACKS = ("one", "two", "three", "four")
TYPES = ("auto", "cpx22", "cpx32", "cpx42")


def _report(group: Group, stack: str) -> Plan:
    settings = stack_file.read(group.folder, stack)
    return PlanningInputs.of(settings, today(), project=group.folder).plan(settings)


def test_stack_whose_file_changed_after_the_deployment_counts_with_its_deployed_resources(group: Group) -> None:
    group.write("one", serverType="cpx32", budgetUsd="60")
    assert group.deploy("one")
    group.write("one", serverType="cpx22", budgetUsd="60")
    group.write("two", serverType="cpx22", budgetUsd="60")
    assert group.deploy("two") is None
    line = next(line for line in _report(group, "two").lines if line.resource == "stack one")
    assert "its resources cost more than its plan" in line.note


@pytest.mark.parametrize("action", ["delete", "local"])
def test_stack_counts_with_its_deployed_resources_if_its_file_is_deleted_or_set_to_local(
    group: Group, action: str
) -> None:
    group.write("one", serverType="cpx32", budgetUsd="60")
    assert group.deploy("one")
    if action == "delete":
        group.delete("one")
    else:
        group.write("one", host="local")
    group.write("two", serverType="cpx22", budgetUsd="60")
    assert group.deploy("two") is None
    plan = _report(group, "two")
    assert plan.verdict == "over" and any(line.resource == "stack one" for line in plan.lines)


def test_all_stacks_of_a_group_are_refused_if_a_manually_grown_volume_exceeds_the_budget(group: Group) -> None:
    for stack in ("one", "two"):
        group.write(stack, serverType="cpx22", budgetUsd="60")
    assert group.deploy("one") and group.deploy("two")
    group.grow_by_hand("one", 400)
    assert group.deploy("one") is None and group.deploy("two") is None


def test_stack_with_server_type_auto_counts_with_its_deployed_server(group: Group) -> None:
    group.api.set_available("cpx22", "fsn1", False)
    group.write("one", budgetUsd="60")
    plan = group.deploy("one")
    assert plan and plan.server and plan.server.type == "cpx32"
    group.api.set_available("cpx22", "fsn1", True)
    group.write("two", serverType="cpx22", budgetUsd="60")
    assert group.deploy("two") is None


def test_plan_lists_a_server_created_by_hand_with_the_label_of_the_stack(group: Group) -> None:
    group.write("one", serverType="cpx22", budgetUsd="60")
    assert group.deploy("one")
    group.client.servers.create(
        name="left-behind",
        server_type=group.client.server_types.get_by_name("cpx22"),
        image=group.client.images.get_by_name_and_architecture("debian-12", "x86"),
        labels={"project": OWN, "stack": "one"},
        location=group.client.locations.get_by_name("fsn1"),
    )
    lines = [line.resource for line in _report(group, "one").lines]
    assert any("also running: server" in line for line in lines) and any("IPv4" in line for line in lines)


def test_resources_without_labels_are_reported_with_their_price_and_not_counted(group: Group) -> None:
    place = group.client.locations.get_by_name("fsn1")
    group.client.volumes.create(size=100, name="holiday-pictures", location=place)
    group.write("one", serverType="cpx22", budgetUsd="60")
    plan = _report(group, "one")
    assert plan.verdict == "within"
    warning_text = next(warning for warning in plan.warnings if "holiday-pictures" in warning)
    assert "$" in warning_text and "is not counted" in warning_text
    assert all("holiday" not in line.resource for line in plan.lines)


def test_stack_of_another_budget_group_is_reported_with_its_cost(group: Group) -> None:
    group.write("one", serverType="cpx22", budgetUsd="60")
    group.write("lab", serverType="cpx32", budgetUsd="60", budgetGroup="lab")
    assert "stack lab is in budget group lab: it is not counted here" in _report(group, "one").warnings
    assert group.deploy("lab")
    assert any("lab and costs $" in warning for warning in _report(group, "one").warnings)


def test_report_without_a_token_says_that_the_account_was_not_queried(
    group: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HCLOUD_TOKEN")
    group.write("one", serverType="cpx22")
    assert any("the account was not queried" in warning for warning in _report(group, "one").warnings)


def test_deployment_uses_the_prices_of_the_account_even_if_a_price_folder_is_set(
    group: Group, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cheap = tmp_path / "cheap"
    cheap.mkdir()
    text = json.dumps({"pricing": PRICING})
    price = next(one for one in PRICING["server_types"] if one["name"] == "cpx42")["prices"][0]["price_monthly"]
    for figure in price.values():
        text = text.replace(figure, "1.0000000000")
    (cheap / "pricing.json").write_text(text)
    types = (SNAPSHOT / "server_types.json").read_text()
    for figure in price.values():
        types = types.replace(figure, "1.0000000000")
    (cheap / "server_types.json").write_text(types)
    monkeypatch.setenv("FDS_PRICES_DIR", str(cheap))
    group.write("one", serverType="cpx42", budgetUsd="60")
    assert group.deploy("one") is None


def test_stack_is_not_planned_if_the_stack_file_of_another_stack_is_invalid(group: Group) -> None:
    group.write("one", serverType="cpx22")
    (group.folder / "Pulumi.two.yaml").write_text(yaml.safe_dump({"config": {"serverType": "cpx22"}}))
    with pytest.raises(StackError, match="serverType"):
        _report(group, "one")


@pytest.mark.parametrize("seed", range(20))
def test_account_is_never_over_the_budget_after_a_deployment(group: Group, seed: int) -> None:
    """Edit stack files, delete them, grow volumes, sell out server types and deploy, in random order."""
    chance = random.Random(seed)
    stacks, deployed = STACKS[: chance.randint(2, 4)], 0
    for stack in stacks:
        group.write(stack, serverType=chance.choice(TYPES), budgetUsd=str(BUDGET))
    for _ in range(40):
        stack, action = chance.choice(stacks), chance.choice(
            ("deploy",) * 5 + ("edit",) * 3 + ("local", "delete", "grow", "sell")
        )
        if action == "edit":
            size = chance.choice((10, 20, 40))
            group.write(stack, serverType=chance.choice(TYPES), budgetUsd=str(BUDGET), volumeGb=size)
        elif action == "local":
            group.write(stack, host="local")
        elif action == "delete":
            group.delete(stack)
        elif action == "grow":
            group.grow_by_hand(stack, chance.choice((10, 50)))
        elif action == "sell":
            group.api.set_available(chance.choice(TYPES[1:]), "fsn1", chance.random() < 0.5)
        else:
            plan = group.deploy(stack)
            if plan and plan.server:
                deployed += 1
                assert group.bill() <= BUDGET, (stack, action, plan.lines)
    assert deployed or group.bill() == 0

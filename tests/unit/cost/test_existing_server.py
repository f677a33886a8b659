"""Test that plans and alternatives use only servers that the existing server and data volume allow."""

from __future__ import annotations

import io
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from rich.console import Console

from infra.cost import Deployed, Plan, sold_out
from infra.cost import plan as plan_of
from infra.cost.planning import scaling
from infra.cost.planning.capacity import Machine
from infra.cost.planning.inputs import RentalInputs
from infra.cost.planning.model import NextStep
from infra.cost.planning.next_steps import Planner, with_next_steps
from infra.cost.planning.planner import rank_servers
from infra.cost.planning_inputs import PlanningInputs
from infra.cost.reports import report
from infra.services import Service
from infra.settings import Settings
from tests.unit.cost import kit

LARGE = Deployed("cpx32", "fsn1", 10, 160, "x86", "fsn1")
ARM = Deployed("cax11", "fsn1", 10, 40, "arm", "fsn1")
VOLUME = Deployed(volume_gb=10, volume_location="hel1")
FIVE_GB = (kit.service(memory_mb=5000),)


def _planned(own: Settings, deployed: Deployed, *types: str, services: tuple[Service, ...] = (kit.service(),)) -> Plan:
    return kit.planned(own, services, kit.price_list(types=kit.orderable(*types)), deployed=deployed)


def _table(own: Settings, deployed: Deployed, **inputs: Any) -> str:
    """Return the table of `fds cost --explain` with all servers that the settings allow."""
    known = RentalInputs(kit.SHIPPED_PRICES, inputs.pop("rate", kit.RATE), kit.TODAY, deployed=deployed)
    console = Console(file=io.StringIO(), width=150)
    report.considered(rank_servers(own, (kit.service(),), known), console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize(
    ("own", "types", "offered"),
    [
        ({"serverType": "cpx32", "backups": True}, ("cpx22", "cpx32"), [{"backups": "false"}]),
        ({"serverType": "cpx22", "backups": True, "volumeGb": 400}, ("cpx22", "cpx32"), []),
        ({"serverType": "cpx42"}, ("cpx12", "cpx32", "cpx42", "cax21"), [{"serverType": "auto"}]),
        ({"serverType": "cpx42", "location": "hel1"}, ("cpx22", "cpx32", "cpx42"), []),
    ],
)
def test_no_alternative_needs_a_smaller_disk_another_architecture_or_another_location(
    own: dict[str, Any], types: tuple[str, ...], offered: list[dict[str, str]]
) -> None:
    settings = kit.settings(budgetUsd=55, **own)
    found = _planned(settings, LARGE, *types)
    assert found.verdict == "over"
    for other in found.alternatives:
        after = scaling.changed(settings, scaling.parse(other.pairs, settings))
        scaling.refuse_harm(settings, after, _planned(after, LARGE, *types), LARGE)
    assert [other.settings for other in found.alternatives] == offered


def test_server_type_auto_skips_cheaper_types_of_another_architecture_or_with_a_smaller_disk() -> None:
    found = _planned(kit.settings(), ARM, "cax21", "cx33", services=FIVE_GB)
    assert found.server and (found.server.type, found.verdict) == ("cax21", "within")
    assert not any("cx33" in warning for warning in found.warnings)
    kept = _planned(kit.settings(budgetUsd=60), LARGE, "cpx22", "cpx32")
    assert kept.server and kept.server.type == "cpx32"


def test_location_auto_selects_the_location_of_an_existing_volume_whose_server_was_deleted() -> None:
    own = kit.settings(location="auto", serverType="cpx22")
    found = kit.planned(own, deployed=VOLUME)
    assert found.server and (found.server.location, found.verdict) == ("hel1", "within")
    scaling.refuse_harm(own, own, found, VOLUME)


def test_plan_does_not_fit_and_says_why_if_the_existing_server_or_volume_allows_no_server() -> None:
    lacking = _planned(kit.settings(), ARM, "cx33", services=FIVE_GB)
    assert lacking.verdict == "does_not_fit" and lacking.reason.startswith("no server that the stack can get fits")
    elsewhere = kit.planned(kit.settings(location="auto", serverType="cpx22"), deployed=Deployed(volume_location="x"))
    assert (
        elsewhere.verdict == "does_not_fit"
        and "cannot replace the existing server or use its volume" in elsewhere.reason
    )


def test_alternative_to_a_sold_out_type_is_possible_for_the_existing_server() -> None:
    prices = kit.price_list(types=kit.orderable("cax21", "cax31", "cx33"))
    inputs = RentalInputs(prices, kit.RATE, kit.TODAY, deployed=ARM)
    basis = PlanningInputs(kit.TODAY, inputs, Machine(), own=FIVE_GB)
    own = kit.settings(budgetUsd=60)
    wanted = basis.plan(own).server
    assert wanted and wanted.type == "cax21"
    found = sold_out.next_best(own, wanted, basis)
    assert found and found.settings == {"serverType": "cax31"}


def test_explained_table_names_servers_that_the_existing_server_rules_out() -> None:
    rows = {line.split()[0]: line for line in _table(kit.settings(budgetUsd=60), LARGE).splitlines()[1:]}
    assert "the cheapest that fits" in rows["cpx32"]
    assert "not possible with the existing server or volume" in rows["cpx22"]


def test_explained_table_has_the_total_of_the_plan_if_the_existing_volume_is_larger_than_in_the_settings() -> None:
    own, deployed = kit.settings(serverType="cpx22", budgetUsd=60), Deployed(volume_gb=200)
    total = kit.planned(own, deployed=deployed).total_usd
    assert total == Decimal("43.54") and "$43.54" in _table(own, deployed)


def test_next_volume_is_larger_than_an_existing_volume_that_is_larger_than_in_the_settings() -> None:
    own = kit.settings(serverType="cpx22")
    planner = Planner(lambda settings: kit.planned(settings, deployed=Deployed(volume_gb=200)), lambda _: ())
    usage = {"resource": "data", "used_gb": 150, "size_gb": 200, "full_on": kit.TODAY}
    plan = Plan.model_validate({**planner.plan(own).model_dump(), "usage": [usage]})
    (forecast,) = with_next_steps(plan, own, planner).usage
    assert forecast.next_step and forecast.next_step.settings == {"volumeGb": "300"}


def test_explained_table_has_no_dollars_at_an_implausible_exchange_rate() -> None:
    implausible = kit.RATE.model_copy(update={"rate": Decimal("1.75")})
    shown = _table(kit.settings(), Deployed(), rate=implausible)
    assert "unknown" in shown and "$" not in shown


RESIZED = Deployed("cx33", "fsn1", 10, 40, "x86", "fsn1")
"""A server that was a cx23 with a disk of 40 GB; a new cx33 has 80 GB."""
ON_DISK = (kit.service(disk_gb=60),)


@pytest.mark.parametrize("deployed", [RESIZED, Deployed("cx23", "fsn1", 10, 40, "x86", "fsn1")])
@pytest.mark.parametrize("kind", ["cx33", "auto"])
def test_existing_server_has_its_own_disk_and_not_the_larger_disk_of_its_planned_type(
    deployed: Deployed, kind: str
) -> None:
    found = _planned(kit.settings(serverType=kind), deployed, "cx23", "cx33", services=ON_DISK)
    assert (found.verdict, found.capacity.disk_gb.available) == ("does_not_fit", 40)
    assert "server disk, which only a new server enlarges: 67 GB needed, 40 available" in found.reason
    assert found.alternatives == ()
    new = _planned(kit.settings(serverType=kind), Deployed(), "cx23", "cx33", services=ON_DISK)
    assert (new.verdict, new.capacity.disk_gb.available) == ("within", 80)


def test_warning_names_the_kept_disk_of_a_resized_server() -> None:
    expected = "the existing server keeps its disk of 40 GB, a new cx33 has 80 GB"
    assert expected in _planned(kit.settings(serverType="cx33"), RESIZED, "cx33").warnings
    full = replace(RESIZED, disk_gb=80)
    assert expected not in _planned(kit.settings(serverType="cx33"), full, "cx33").warnings


@pytest.mark.parametrize("own", [{}, {"serverType": "cpx22"}])
@pytest.mark.parametrize("change", [{"disk": 40}, {"architecture": "arm"}])
def test_unchanged_stack_is_accepted_if_the_price_list_states_other_hardware_for_its_type(
    own: dict[str, Any], change: dict[str, Any]
) -> None:
    types = kit.server_types()
    next(kind for kind in types if kind["name"] == "cpx22").update(change)
    deployed, settings = Deployed("cpx22", "fsn1", 10, 80, "x86", "fsn1"), kit.settings(**own)
    found = kit.planned(settings, prices=kit.price_list(types=types), deployed=deployed)
    assert found.server and (found.server.type, found.verdict) == ("cpx22", "within")
    assert found.capacity.disk_gb.available == 80
    scaling.refuse_harm(settings, settings, found, deployed)


def _next_step(own: Settings, resource: str, deployed: Deployed) -> NextStep | None:
    """Return the next step for a disk that becomes full."""
    inputs = RentalInputs(kit.price_list(types=kit.orderable("cx33", "cx43")), kit.RATE, kit.TODAY, deployed=deployed)
    services = (kit.service(),)
    planner = Planner(lambda each: plan_of(each, services, inputs), lambda each: rank_servers(each, services, inputs))
    usage = {"resource": resource, "used_gb": 1, "size_gb": 2, "full_on": kit.TODAY}
    (forecast,) = with_next_steps(
        Plan.model_validate({**planner.plan(own).model_dump(), "usage": [usage]}), own, planner
    ).usage
    return forecast.next_step


@pytest.mark.parametrize(("disk_gb", "kind"), [(40, "cx33"), (80, "cx43")])
def test_next_larger_system_disk_is_larger_than_the_disk_of_the_existing_server(disk_gb: int, kind: str) -> None:
    step = _next_step(kit.settings(serverType="cx33"), "system", replace(RESIZED, disk_gb=disk_gb))
    assert step and step.settings == {"serverType": kind}


@pytest.mark.parametrize(("size", "larger"), [(6_000, "9000"), (10_000, "10240"), (10_239, "10240"), (10_240, None)])
def test_next_larger_volume_is_at_most_the_largest_that_the_settings_allow(size: int, larger: str | None) -> None:
    own = kit.settings(serverType="cx33", volumeGb=size)
    step = _next_step(own, "data", Deployed())
    assert (step and step.settings) == (larger and {"volumeGb": larger})
    if step:
        scaling.changed(own, scaling.parse([step.arguments], own))

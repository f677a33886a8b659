"""Test to which stack the cost of a resource is added; the labels of the resource or of its server decide."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from infra.cost.planning import group
from infra.cost.planning.inputs import RentalInputs
from infra.cost.planning.json_reader import JsonReader
from infra.cost.planning.lines import TaxedPrices, up
from infra.cost.planning.model import STRAY
from infra.cost.planning.planner import converter_for
from infra.cost.planning.prices import PriceList
from infra.cost.planning_inputs import PlanningInputs, ProgramStack
from infra.cost.sources import held, live, rate
from infra.hosts.hetzner import token
from stack_runtime.errors import UnknownError
from stack_runtime.paths import PROJECT
from tests.unit.cost import kit


def _inputs(volume: Mapping[str, Any], *servers: Mapping[str, Any], identity: str | None = None) -> RentalInputs:
    """Return the planning inputs for an account with these servers and one volume, by default of 10 GB."""
    entry = {"id": 1, "name": "data", "size": 10, "location": {"name": "fsn1"}, "server": None, **volume}
    found: dict[str, list[Any]] = {kind: [] for kind in held.KINDS}
    found |= {"volumes": [entry], "servers": [*servers]}
    entries = {kind: [JsonReader(one, kind, "test") for one in ones] for kind, ones in found.items()}
    tariff = TaxedPrices(kit.SHIPPED_PRICES, "gross")
    running = held.running(entries, tariff, converter_for(kit.RATE), held.Own("prod", identity))
    return RentalInputs(kit.SHIPPED_PRICES, kit.RATE, kit.TODAY, running=running)


@pytest.mark.parametrize("name", ["stray", "lab", "Lab", "lab.x"])
def test_stack_without_a_stack_file_is_counted_under_the_name_in_the_label(name: str) -> None:
    inputs = _inputs({"labels": {"project": PROJECT, "stack": name}})
    (line,) = group.stack_lines(kit.settings(), inputs)
    assert (line.resource, str(line.monthly_usd)) == (f"stack {name}", "0.80")


@pytest.mark.parametrize(
    "labels", [{}, {"project": ""}, {"project": "website"}, {"project": PROJECT}, {"project": PROJECT, "stack": ""}]
)
def test_resource_without_valid_stack_labels_is_listed_as_stray(labels: Mapping[str, str]) -> None:
    inputs = _inputs({"labels": labels})
    (one,) = inputs.running or ()
    assert one.owner == STRAY and not group.stack_lines(kit.settings(), inputs)
    assert any("volume data (10 GB) for $0.80" in warning for warning in group.warnings(kit.settings(), inputs))


@pytest.mark.parametrize("labels", [None, [], "", "stack=prod", 0, True], ids=repr)
def test_labels_that_are_not_an_object_make_the_cost_unknown(labels: object) -> None:
    """The cost of a stray resource is not counted, so a resource with unreadable labels must not be listed as stray."""
    with pytest.raises(UnknownError, match=r"volumes\.labels is not an object"):
        _inputs({"labels": labels})


def test_planned_traffic_snapshots_and_off_site_storage_add_to_the_cost_of_existing_resources() -> None:
    """The account has no resources for the three planned quantities, so only the plan knows their cost."""
    kind = next(one for one in kit.SERVER_TYPES if one["name"] == "cpx32")
    labels = {"project": PROJECT, "stack": "lab"}
    server = {"id": 2, "name": "lab", "server_type": kind, "location": {"name": "fsn1"}, "labels": labels}
    inputs = _inputs({"labels": labels}, server)
    beside = {"offsiteGb": 100, "offsiteEurPerGb": "0.10", "snapshotGb": 10, "trafficTb": 22}
    plans = [kit.planned(kit.settings(serverType="cpx22", **more)) for more in ({}, beside)]
    found = [
        group.stack_lines(kit.settings(), replace(inputs, others=(plan.model_copy(update={"stack": "lab"}),)))
        for plan in plans
    ]
    (plain,), (more,) = found
    assert plain.note == more.note == "same budget group, its resources cost more than its plan"
    assert None not in (plain.monthly_usd, more.monthly_usd, plans[0].total_usd, plans[1].total_usd)
    assert more.monthly_usd - plain.monthly_usd == plans[1].total_usd - plans[0].total_usd  # type: ignore[operator]


def _server(number: int, **more: Any) -> dict[str, Any]:
    kind = next(one for one in kit.SERVER_TYPES if one["name"] == "cpx22")
    labels = {"project": PROJECT, "stack": "prod"}
    place = {"name": "fsn1"}
    return {"id": number, "name": f"s{number}", "server_type": kind, "location": place, "labels": labels, **more}


def test_running_backups_of_the_planned_server_are_no_extra_cost() -> None:
    """Otherwise, a stack that is over its budget because of backups could not be deployed with `backups: false`."""
    inputs = _inputs({"labels": {}}, _server(2, backup_window="22-02"))
    assert not group.extra_lines(kit.settings(), inputs) and not group.extra_lines(kit.settings(backups=True), inputs)


def test_backups_of_a_second_server_count_even_if_the_settings_have_no_backups() -> None:
    inputs = _inputs({"labels": {}}, _server(2), _server(3, backup_window="22-02"))
    names = [line.resource for line in group.extra_lines(kit.settings(), inputs)]
    assert len(names) == 2 and "also running: backups of s3" in names


@pytest.mark.parametrize(
    ("label", "owner"), [("mine-1", "prod"), (None, "prod"), ("", "prod"), ("theirs-2", "prod (theirs-2)")]
)
def test_stacks_of_the_same_name_but_different_identities_are_counted_separately(label: str | None, owner: str) -> None:
    labels = {"project": PROJECT, "stack": "prod"} | ({} if label is None else {"identity": label})
    inputs = _inputs({"labels": labels}, identity="mine-1")
    (one,) = inputs.running or ()
    assert one.owner == owner
    lines = [line.resource for line in group.stack_lines(kit.settings(), inputs)]
    assert lines == ([] if owner == "prod" else ["stack prod (theirs-2)"])


@pytest.mark.parametrize(("identity", "found"), [(None, "cpx22"), ("theirs-2", "cpx22"), ("mine-1", ""), ("", "")])
def test_server_with_another_identity_does_not_count_as_deployed(identity: str | None, found: str) -> None:
    """Without a known identity (None), the server with the stack's name counts.

    An empty identity means that the stack was never deployed from this state, so no server counts.
    """
    labels = {"project": PROJECT, "stack": "prod", "identity": "theirs-2"}
    server = JsonReader(_server(2, labels=labels), "servers", "test")
    entries = {**{kind: [] for kind in held.KINDS}, "servers": [server]}
    assert held.deployed(entries, held.Own("prod", identity)).server_type == found


WITHDRAWN = {**next(one for one in kit.SERVER_TYPES if one["name"] == "cx23"), "name": "cx21"}
"""A server type that the price list lacks."""


@pytest.mark.parametrize(("wanted", "planned"), [("auto", "cpx02"), ("cpx22", "cpx22")])
def test_running_server_of_a_withdrawn_type_does_not_prevent_its_change_to_another_type(
    wanted: str, planned: str
) -> None:
    own = {"serverType": wanted}
    inputs = _inputs({"labels": {}}, _server(2, server_type=WITHDRAWN, backup_window="22-02"))
    assert not [*group.doubts(kit.settings(**own), inputs)]
    plan = kit.planned(kit.settings(**own), running=inputs.running)
    assert (plan.verdict, plan.server and plan.server.type) == ("within", planned)


def test_second_running_server_of_a_withdrawn_type_makes_the_cost_unknown() -> None:
    inputs = _inputs({"labels": {}}, _server(2), _server(3, server_type=WITHDRAWN))
    (doubt,) = group.doubts(kit.settings(), inputs)
    assert (
        doubt == "server s3 (cx21 in fsn1) of stack prod has no price: there is no price for server type cx21 in fsn1"
    )


def test_reason_names_the_command_that_moves_the_server_of_another_stack_away_from_a_withdrawn_type() -> None:
    labels = {"project": PROJECT, "stack": "lab"}
    inputs = _inputs({"labels": {}}, _server(2, server_type=WITHDRAWN, labels=labels))
    lab = kit.planned().model_copy(update={"stack": "lab"})
    (doubt,) = group.doubts(kit.settings(), replace(inputs, others=(lab,)))
    assert "cx21 in fsn1; fds scale serverType=auto --stack lab --apply moves it" in doubt
    (without_file,) = group.doubts(kit.settings(), inputs)
    assert "fds scale" not in without_file


class _Account:
    """Test double of the API client: the token `theirs` belongs to the account of another owner, who pays no VAT."""

    def __init__(self, token: str) -> None:
        self._token = token

    def prices(self, today: date) -> PriceList:
        if self._token == "ours":
            return kit.SHIPPED_PRICES
        price = kit.SHIPPED_PRICES.volume_gb
        return kit.SHIPPED_PRICES.model_copy(update={"volume_gb": price.model_copy(update={"gross": price.net})})

    def entries(self, kinds: Mapping[str, Any]) -> dict[str, list[JsonReader]]:
        number = 2 if self._token == "theirs" else 1
        labels = {"project": PROJECT, "stack": f"stack-{number}"}
        volume = {"id": number, "name": "data", "size": 1000, "server": None, "labels": labels}
        return {kind: [JsonReader(volume, kind, "test")] if kind == "volumes" else [] for kind in kinds}


class _Neighbour:
    """Test double of the API client: type cx23 is sold out, and the stack `second` runs a server of this type."""

    def __init__(self, token: str) -> None:
        self._labels = {"project": PROJECT, "stack": "second"}

    def prices(self, today: date) -> PriceList:
        return kit.price_list(types=kit.orderable("cpx22"))

    def entries(self, kinds: Mapping[str, Any]) -> dict[str, list[JsonReader]]:
        kind = next(one for one in kit.SERVER_TYPES if one["name"] == "cx23")
        server = _server(2, server_type=kind, labels=self._labels)
        place = {"name": "fsn1"}
        volume = {"id": 3, "name": "data", "size": 200, "location": place, "server": 2, "labels": self._labels}
        found = {"servers": [server], "volumes": [volume]}
        return {one: [JsonReader(entry, one, "test") for entry in found.get(one, [])] for one in kinds}


@pytest.mark.parametrize(
    ("neighbour", "cost", "warned"),
    [
        ({"serverType": "cx23"}, "24.16", False),  # cx23 for $7.61, IPv4 for $0.70, and the existing 200 GB for $15.85
        ({"serverType": "auto"}, "24.16", False),  # the running server, not a new cpx22
        ({"serverType": "cx33"}, None, True),  # sold out too: the plan cannot be deployed, but its price is known
    ],
)
def test_stack_of_a_sold_out_type_counts_with_its_cost_in_the_plans_of_its_budget_group(
    neighbour: dict[str, Any], cost: str | None, warned: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "Account", _Neighbour)
    monkeypatch.setattr(token, "_cached", {"prod": "ours", "second": "ours"})
    monkeypatch.setattr(rate, "find", lambda *_, **__: kit.RATE)
    own = kit.settings(serverType="cpx22", budgetUsd=80)
    second = kit.settings(budgetUsd=80, **neighbour).model_copy(update={"stack": "second"})
    beside = [ProgramStack(second, (kit.service(),))]
    basis = PlanningInputs.of(own, kit.TODAY, project=tmp_path, deploying=True, beside=beside, own=(kit.service(),))
    plan = basis.plan(own)
    assert (plan.verdict, plan.reason.split()[0]) == ("within", f"${plan.total_usd}")
    (line,) = (line for line in plan.lines if line.resource == "stack second")
    assert cost is None or str(line.monthly_usd) == cost
    assert any("stack second cannot be deployed as planned" in one for one in plan.warnings) == warned


def test_resources_have_the_prices_of_the_account_that_lists_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Resources in another owner's account have the prices of that account; one account with two tokens counts once."""
    monkeypatch.setattr(live, "Account", _Account)
    monkeypatch.setattr(token, "_cached", {"prod": "ours", "second": "ours again", "third": "theirs"})
    monkeypatch.setattr(rate, "find", lambda *_, **__: kit.RATE)
    beside = [ProgramStack(kit.settings().model_copy(update={"stack": name})) for name in ("second", "third")]
    found = PlanningInputs.of(kit.settings(), kit.TODAY, project=tmp_path, deploying=True, beside=beside).inputs
    assert found is not None
    price, running = kit.SHIPPED_PRICES.volume_gb, [(one.owner, one.eur) for one in found.running or ()]
    assert running == [("stack-1", up(price.gross * 1000)), ("stack-2", up(price.net * 1000))]


@pytest.mark.parametrize("stack", ["prod", "third"])
def test_each_stack_of_a_group_is_planned_with_the_prices_of_its_own_account(
    stack: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "Account", _Account)
    monkeypatch.setattr(token, "_cached", {"prod": "ours", "third": "theirs"})
    monkeypatch.setattr(rate, "find", lambda *_, **__: kit.RATE)
    both = {name: kit.settings(serverType="cpx22", volumeGb=100).model_copy(update={"stack": name})
            for name in ("prod", "third")}  # fmt: skip
    own = both.pop(stack)
    beside = [ProgramStack(other) for other in both.values()]
    basis = PlanningInputs.of(own, kit.TODAY, project=tmp_path, deploying=True, beside=beside).inputs
    assert basis is not None
    (other,) = basis.others
    price = kit.SHIPPED_PRICES.volume_gb
    volume = next(line for line in other.lines if line.resource == "data volume")
    assert volume.unit_price == (price.net if stack == "prod" else price.gross)

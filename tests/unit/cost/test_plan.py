"""Test the plan, the gate, capacity, budget groups, and plans for stacks that are already deployed."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from infra.cost import Deployed, Machine, gate, plan
from infra.cost.planning.capacity import SHIM_MB, SYSTEM_MB
from infra.cost.planning.inputs import PRICES_DAYS, RATE_DAYS, RentalInputs
from infra.cost.reports import schema
from infra.services import catalogue, selected
from infra.settings import Settings
from stack_runtime.errors import RefusedError, UnknownError
from tests.kit.timing import p95
from tests.unit.cost import kit

PROFILES = (kit.service("db", 300, data=True), kit.service("bi", 2000, profile="bi", needs=("db",)),
            kit.service("jobs", 900, profile="jobs", workers=True))  # fmt: skip


def test_total_equal_to_the_budget_is_within_and_one_cent_more_is_over() -> None:
    total = kit.planned(kit.settings(serverType="cpx22")).total_usd
    assert total is not None
    assert kit.planned(kit.settings(serverType="cpx22", budgetUsd=str(total))).verdict == "within"
    under = str(total - Decimal("0.01"))
    assert kit.planned(kit.settings(serverType="cpx22", budgetUsd=under)).verdict == "over"


def test_gate_accepts_a_plan_within_the_budget() -> None:
    gate(kit.planned())


def test_gate_refuses_a_plan_over_the_budget_and_shows_its_lines_and_the_reason() -> None:
    with pytest.raises(RefusedError) as caught:
        gate(kit.planned(kit.settings(serverType="cpx42")))
    text = str(caught.value)
    assert caught.value.exit_code == 3
    assert "server cpx42 in fsn1" in text and "over: $97.73 a month is $47.73 over the budget of $50.00" in text
    assert "fds scale serverType=auto --stack prod" in text


def test_gate_refuses_a_plan_that_does_not_fit() -> None:
    with pytest.raises(RefusedError, match="does not fit"):
        gate(kit.planned(kit.settings(serverType="cpx02"), (kit.service(memory_mb=3000),)))


@pytest.mark.parametrize(
    ("prices_days", "rate_days", "verdict"),
    [
        (PRICES_DAYS, RATE_DAYS, "within"),
        (PRICES_DAYS + 1, 0, "unknown"),
        (0, RATE_DAYS + 1, "unknown"),
        (-1, 0, "unknown"),
        (0, -1, "unknown"),
    ],
)
def test_verdict_depends_on_the_age_of_prices_and_rate(prices_days: int, rate_days: int, verdict: str) -> None:
    prices = kit.SHIPPED_PRICES.model_copy(update={"date": kit.TODAY - timedelta(days=prices_days)})
    rate = kit.RATE.model_copy(update={"date": kit.TODAY - timedelta(days=rate_days)})
    found = kit.planned(prices=prices, rate=rate)
    assert found.verdict == verdict
    if verdict == "unknown":
        with pytest.raises(UnknownError) as caught:
            gate(found)
        assert caught.value.exit_code == 4
    allowed = kit.planned(prices=prices, rate=rate, allow_snapshot=True)
    if prices_days < 0 or rate_days < 0:
        assert allowed.verdict == "unknown", "a date in the future is invalid, not old"
    elif verdict == "unknown":
        assert allowed.verdict == "within"
        assert any("days old" in warning for warning in allowed.warnings)


@pytest.mark.parametrize(
    ("own", "inputs", "advice"),
    [
        ({"offsiteGb": 100}, {}, "set offsiteEurPerGb in Pulumi.prod.yaml to the net price of a GB a month"),
        ({"serverType": "cpx99"}, {}, "correct it in Pulumi.prod.yaml"),
        ({"location": "mars1"}, {}, "correct it in Pulumi.prod.yaml"),
        ({}, {"prices": kit.SHIPPED_PRICES.model_copy(update={"ipv4": {}})}, "choose another serverType or location"),
        ({}, {"rate": None}, "set fxRate and fxDate"),
        ({}, {"rate": kit.RATE.model_copy(update={"rate": Decimal(2)})}, "set fxRate and fxDate"),
        ({}, {"today": date(2027, 1, 1)}, "fds cost --stack prod with HCLOUD_TOKEN set, or --allow-snapshot"),
    ],
)
def test_refusal_of_a_plan_with_the_verdict_unknown_has_one_next_command_that_fits_the_reason(
    own: dict[str, Any], inputs: dict[str, Any], advice: str
) -> None:
    found = kit.planned(kit.settings(**own), **inputs)
    with pytest.raises(UnknownError) as caught:
        gate(found)
    assert caught.value.next_command.startswith(advice)
    assert str(caught.value).count("; next:") == 1 and "; next:" not in found.reason


def test_refusal_advises_to_correct_the_other_stack_whose_price_is_missing() -> None:
    other = kit.planned(kit.settings(serverType="cpx99")).model_copy(update={"stack": "staging"})
    with pytest.raises(UnknownError, match="stack staging of the same budget group has no price") as caught:
        gate(kit.planned(others=(other,)))
    assert caught.value.next_command == other.advice and str(caught.value).count("; next:") == 1


@pytest.mark.parametrize("rate", ["0.01", "0.79", "1.71", "100"])
def test_implausible_exchange_rate_gives_the_verdict_unknown(rate: str) -> None:
    found = kit.planned(rate=kit.RATE.model_copy(update={"rate": Decimal(rate)}), allow_snapshot=True)
    assert (found.verdict, found.total_usd) == ("unknown", None)


def test_plan_without_an_exchange_rate_is_unknown_unless_every_price_is_in_dollars() -> None:
    assert kit.planned(rate=None).verdict == "unknown"
    dollars = kit.SHIPPED_PRICES.model_copy(update={"currency": "USD"})
    found = kit.planned(prices=dollars, rate=None)
    assert (found.verdict, found.total_eur) == ("within", None)
    paid = kit.settings(offsiteGb=5, offsiteEurPerGb="0.01")
    assert kit.planned(paid, prices=dollars, rate=None).verdict == "unknown"


def test_raised_budget_causes_a_warning() -> None:
    assert "budget raised to $80.00 by setting budgetUsd" in kit.planned(kit.settings(budgetUsd=80)).warnings
    assert not any("raised" in warning for warning in kit.planned().warnings)


def test_capacity_check_includes_overhead_and_the_limits_of_services() -> None:
    room = int(Decimal(4) * 10**9 / 2**20) - SYSTEM_MB - SHIM_MB
    kind = kit.settings(serverType="cpx22")
    assert kit.planned(kind, (kit.service(memory_mb=room),)).verdict == "within"
    assert kit.planned(kind, (kit.service(memory_mb=room + 1),)).verdict == "does_not_fit"
    assert "limit of one service" in kit.planned(kind, (kit.service(limit_mb=room + 1),)).reason
    many = tuple(kit.service(f"s{index}", 100, limit_mb=2000) for index in range(4))
    assert "memory limits" in kit.planned(kind, many).reason
    assert "CPU: 2.1 cores needed" in kit.planned(kind, (kit.service(cpu=2.0),)).reason
    assert "the CPU limit of one service" in kit.planned(kind, (kit.service(cpu_limit=3.0),)).reason


def test_data_needs_room_on_the_volume_and_other_files_need_room_on_the_server_disk() -> None:
    kind = kit.settings(serverType="cpx02")
    assert "server disk" in kit.planned(kind, (kit.service(memory_mb=64, disk_gb=14),)).reason
    assert "volume: 11 GB needed, 10" in kit.planned(kind, (kit.service(memory_mb=64, disk_gb=11, data=True),)).reason
    grown = kit.settings(serverType="cpx02", volumeGb=11)
    assert kit.planned(grown, (kit.service(memory_mb=64, disk_gb=11, data=True),)).verdict == "within"


def test_arm_server_needs_an_arm_image_for_every_service() -> None:
    prices = kit.price_list(types=kit.orderable("cax11", "cpx22"))
    assert (found := kit.planned(prices=prices).server) and found.type == "cax11"
    x86 = (kit.service("a"), kit.service("b", architectures=("x86",)))
    assert (found := kit.planned(services=x86, prices=prices).server) and found.type == "cpx22"
    assert "no arm image: b" in kit.planned(kit.settings(serverType="cax11"), x86, prices).reason


def test_reserved_memory_counts_every_worker() -> None:
    one = kit.planned(kit.settings(workers=1), PROFILES[2:])
    three = kit.planned(kit.settings(workers=3), PROFILES[2:])
    assert [p.capacity.memory_mb.reserved for p in (one, three)] == [900, 2700]


def test_local_stack_is_planned_without_prices() -> None:
    local = Settings.of("dev", {})
    found = plan(local, PROFILES, RentalInputs(None, None, date.min, machine=Machine(memory_mb=16_000)))
    assert (found.verdict, found.total_usd, found.prices) == ("within", 0, None)
    assert found.lines[0].resource == "your own machine"
    assert plan(local, PROFILES, RentalInputs(None, None, date.min)).verdict == "within"
    small = RentalInputs(None, None, date.min, machine=Machine(memory_mb=2000))
    assert plan(local, PROFILES, small).verdict == "does_not_fit"


def test_budget_group_is_limited_by_the_smallest_budget_of_its_stacks() -> None:
    other = kit.planned(kit.settings(serverType="cpx22")).model_copy(update={"stack": "staging"})
    both = kit.planned(kit.settings(serverType="cpx22"), others=(other,))
    assert (both.total_usd, both.verdict) == (Decimal("56.98"), "over")
    assert both.lines[-1].resource == "stack staging"
    small = other.model_copy(update={"budget_usd": Decimal(30)})
    raised = kit.planned(kit.settings(serverType="cpx22", budgetUsd=80), others=(small,))
    assert (raised.budget_usd, raised.verdict) == (30, "over")
    assert any("smallest counts" in warning for warning in raised.warnings)


@pytest.mark.parametrize("verdict", ["unknown", "does_not_fit"])
def test_verdict_of_a_budget_group_with_an_unpriced_stack_is_unknown(verdict: str) -> None:
    update: dict[str, Any] = {"verdict": verdict, "total_usd": None, "total_eur": None, "stack": "staging"}
    both = kit.planned(others=(kit.planned().model_copy(update=update),))
    assert (both.verdict, both.total_usd) == ("unknown", None)
    assert "staging" in both.reason


def test_running_server_of_a_sold_out_type_is_kept_if_it_is_within_the_budget() -> None:
    sold_out = kit.price_list(types=kit.orderable("cpx12"))
    runs = Deployed("cpx22", "fsn1", 10, 40)
    kept = kit.planned(prices=sold_out, deployed=runs)
    assert kept.server is not None and (kept.server.type, kept.verdict) == ("cpx22", "within")
    assert any("sold out: keep the server" in warning for warning in kept.warnings)
    dear = kit.planned(kit.settings(budgetUsd=20), prices=sold_out, deployed=runs)
    assert dear.server is not None and dear.server.type == "cpx12"


def test_existing_volume_counts_with_its_actual_size() -> None:
    found = kit.planned(kit.settings(serverType="cpx22"), deployed=Deployed(volume_gb=1000))
    assert found.verdict == "over"
    assert next(line for line in found.lines if line.resource == "data volume").quantity == 1000


def test_alternatives_that_keep_more_of_the_stack_come_first() -> None:
    own = kit.settings(profiles=["bi", "jobs"], workers=3, backups=True)
    found = kit.planned(own, PROFILES, deployed=Deployed())
    assert found.verdict == "over"
    assert [other.describe for other in found.alternatives][:2] == ["with 1 worker", "without profile bi"]
    assert found.alternatives[-1].settings["profiles"] == "lean"
    assert all(other.total_usd <= 50 for other in found.alternatives)


def test_no_alternative_omits_a_service_that_another_service_needs() -> None:
    services = (kit.service("db", 3000, profile="bi"), kit.service("app", 3000, needs=("db",)))
    found = kit.planned(kit.settings(profiles=["bi"]), services)
    assert not any("profiles" in other.settings for other in found.alternatives)


def test_profile_is_omitted_although_a_service_of_another_profile_needs_it_if_that_service_is_then_unwanted() -> None:
    beside = replace(
        kit.service("exporter", 64, profile="watch", needs=("db",)), wanted=lambda settings: settings.has("bi")
    )
    services = (kit.service("db", 9000, profile="bi"), beside, kit.service("app", 64))
    found = kit.planned(kit.settings(profiles=["bi", "watch"], budgetUsd=30), services)
    assert "without profile bi" in [other.describe for other in found.alternatives]


def test_smaller_volume_is_offered_only_down_to_the_deployed_size() -> None:
    own = kit.settings(serverType="cpx22", volumeGb=900)
    assert not any("volumeGb" in other.settings for other in kit.planned(own).alternatives)
    offered = [other.settings for other in kit.planned(own, deployed=Deployed()).alternatives]
    assert {"volumeGb": "10"} in offered
    offered = [other.settings for other in kit.planned(own, deployed=Deployed(volume_gb=200)).alternatives]
    assert {"volumeGb": "200"} in offered and {"volumeGb": "10"} not in offered


def test_schema_file_matches_the_models() -> None:
    assert schema.FILE.read_text() == schema.text(), "the file is old; renew it: python -m infra.cost.reports.schema"


@pytest.mark.parametrize("own", [{}, {"serverType": "cpx42"}, {"location": "mars1"}, {"serverType": "cpx02"}])
def test_plan_json_matches_the_schema_and_its_amounts_have_two_decimal_places(own: dict[str, Any]) -> None:
    document = json.loads(kit.planned(kit.settings(**own), PROFILES).model_dump_json())
    jsonschema.validate(document, json.loads(schema.FILE.read_text()))
    for line in document["lines"]:
        assert line["monthly_usd"][-3] == "." and line["monthly_eur"][-3] == "."


def test_cost_code_uses_float_only_in_modules_for_sizes_counts_and_seconds() -> None:
    folder = Path(schema.__file__).parents[1]
    modules = sorted(folder.rglob("*.py"))
    found = {path.name for path in modules if re.search(r"\bfloat\b", path.read_text())}
    sizes = {"model.py", "json_reader.py", "capacity.py", "live.py", "scaling.py"}
    assert len(modules) > 20 and found <= sizes, "float is allowed only for sizes, cores, counts and seconds"


def test_plan_takes_under_20_ms_at_the_95th_percentile() -> None:
    """Plan all services with the full price list. The plan is over budget, so every alternative is planned too."""
    own = kit.settings(profiles=["full"], executor="celery", location="auto", workers=8, backups=True, budgetUsd=20)
    services = selected(own)
    assert len(services) == sum(service.wanted(own) for service in catalogue())
    assert p95(lambda: kit.planned(own, services, deployed=Deployed()), 100) < 0.020


def test_disk_space_of_an_image_that_replicas_share_counts_once() -> None:
    big = replace(kit.service().resources, image_mb=5000)
    worker = replace(kit.service(workers=True), resources=big)
    assert kit.planned(kit.settings(workers=4), (worker,)).capacity.disk_gb.reserved == 6

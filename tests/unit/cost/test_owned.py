"""Test the plan of a stack on a server that the user already has: stated price, real size, and budget group."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from infra.cost import Machine, Plan, gate, plan
from infra.cost.planning.inputs import RATE_DAYS, STATED_DAYS, RentalInputs
from infra.hosts import HOSTS, host_of
from infra.policy import pack
from infra.policy.pricing import problem
from infra.services import Service
from infra.settings import Settings
from stack_runtime.errors import RefusedError, UnknownError, UsageError
from tests.unit.cost import kit
from tests.unit.cost.test_policy import container, hcloud

PRICE = {"amount": "10", "currency": "EUR", "tax": "gross", "per": "month", "date": "2026-10-01"}
MACHINE = Machine(4096, 2, 80, architecture="x86")


def own(stack: str = "home", price: dict[str, Any] | None = None, **values: Any) -> Settings:
    stated = {"serverPrice": PRICE if price is None else {**PRICE, **price}}
    return Settings.of(stack, {"host": "ssh", "sshHost": "192.0.2.1", **stated, **values})


def unpriced(**values: Any) -> Settings:
    return Settings.of("home", {"host": "ssh", "sshHost": "192.0.2.1", **values})


def planned(
    settings: Settings, services: tuple[Service, ...] = (kit.service(),), machine: Machine | None = MACHINE, **more: Any
) -> Plan:
    prices, rate = more.pop("prices", None), more.pop("rate", kit.RATE)
    return plan(settings, services, RentalInputs(prices, rate, kit.TODAY, machine=machine, **more))


@pytest.mark.parametrize(
    ("price", "total"),
    [
        ({}, "11.64"),  # 10 EUR at 1.1637 dollars per euro, rounded up to the cent
        ({"currency": "USD"}, "10.00"),
        ({"currency": "USD", "per": "year", "amount": "100"}, "8.34"),
        ({"currency": "USD", "per": "hour", "amount": "0.01"}, "7.44"),  # 744 hours, the longest month
        ({"currency": "USD", "amount": "0"}, "0.00"),
    ],
)
def test_stated_price_is_converted_to_dollars_a_month_and_is_the_only_line_of_the_plan(
    price: dict[str, Any], total: str
) -> None:
    found = planned(own(price=price))
    assert (found.verdict, found.total_usd) == ("within", Decimal(total))
    (line,) = found.lines
    assert line.resource == "server 192.0.2.1" and line.monthly_usd == Decimal(total)


def test_stated_price_equal_to_the_budget_is_within_and_one_cent_more_is_refused() -> None:
    assert planned(own(price={"currency": "USD", "amount": "50"})).verdict == "within"
    over = planned(own(price={"currency": "USD", "amount": "50.01"}))
    assert over.verdict == "over"
    with pytest.raises(RefusedError):
        gate(over)


@pytest.mark.parametrize(
    ("settings", "more", "reason"),
    [
        (unpriced(), {}, "price of the server is not stated"),
        (own(price={"date": str(kit.TODAY - timedelta(days=STATED_DAYS + 1))}), {}, "serverPrice: 93 days old"),
        (own(price={"date": str(kit.TODAY + timedelta(days=1))}), {}, "in the future"),
        (own(price={"date": str(kit.TODAY + timedelta(days=1))}, allowSnapshot=True), {}, "in the future"),
        (own(price={"tax": "net"}), {}, "serverPrice is net"),
        (own(), {"rate": None}, "no exchange rate"),
        (own(), {"machine": Machine(unknown="nobody answers")}, "size of the server is unknown: nobody answers"),
        (own(offsiteGb=5, offsiteEurPerGb="0.01"), {}, "VAT on off-site space is unknown"),
    ],
)
def test_verdict_on_an_own_server_is_unknown_if_a_needed_value_is_missing_or_unusable(
    settings: Settings, more: dict[str, Any], reason: str
) -> None:
    found = planned(settings, **more)
    assert found.verdict == "unknown" and reason in found.reason
    with pytest.raises(UnknownError) as caught:
        gate(found)
    assert "HCLOUD_TOKEN" not in caught.value.next_command


@pytest.mark.parametrize(
    ("values", "advice"),
    [
        ({"offsiteEurPerGb": "0.01"}, "set tax to net in Pulumi.home.yaml, and plan without VAT"),
        ({}, "set offsiteEurPerGb in Pulumi.home.yaml to the net price of a GB a month"),
    ],
)
def test_refusal_advises_how_to_get_a_missing_price_of_off_site_space(values: dict[str, Any], advice: str) -> None:
    found = planned(own(offsiteGb=5, **values))
    with pytest.raises(UnknownError) as caught:
        gate(found)
    assert caught.value.next_command == advice and "; next:" not in found.reason


def test_total_is_unknown_and_not_zero_if_the_stated_price_is_missing() -> None:
    assert planned(unpriced()).total_usd is None


def test_allow_snapshot_accepts_a_stated_price_over_the_age_limit_and_adds_a_warning() -> None:
    assert planned(own(price={"date": str(kit.TODAY - timedelta(days=STATED_DAYS))})).verdict == "within"
    old = planned(own(price={"date": str(kit.TODAY - timedelta(days=STATED_DAYS + 1))}, allowSnapshot=True))
    assert old.verdict == "within" and any("93 days old: look it up again" in one for one in old.warnings)


def test_net_and_gross_prices_are_accepted_if_the_tax_setting_is_net() -> None:
    assert planned(own(price={"tax": "net"}, tax="net")).verdict == "within"
    assert (
        planned(own(price={"tax": "gross"}, tax="net")).verdict == "within"
    )  # accepted, because a gross price is never below the net price


@pytest.mark.parametrize(
    ("services", "machine", "lack"),
    [
        ((kit.service(memory_mb=4096),), MACHINE, "memory: "),
        ((kit.service(cpu=4, cpu_limit=4),), MACHINE, "CPU: "),
        ((kit.service(disk_gb=60, data=True), kit.service("other", disk_gb=20)), MACHINE, "server disk: "),
        ((kit.service(architectures=("x86",)),), replace(MACHINE, architecture="arm"), "no arm image: app"),
        ((kit.service(),), replace(MACHINE, architecture="riscv64"), "no riscv64 image: app"),
    ],
)
def test_services_that_do_not_fit_the_server_are_refused(
    services: tuple[Service, ...], machine: Machine, lack: str
) -> None:
    found = planned(own(), services, machine)
    assert found.verdict == "does_not_fit" and lack in found.reason


def test_alternatives_for_a_server_of_the_user_use_no_setting_that_applies_only_to_rented_servers() -> None:
    crowded = (kit.service(), kit.service("extra", memory_mb=4000, profile="queue"))
    found = planned(own(profiles=["lean", "queue"], backups=True), crowded)
    assert found.verdict == "does_not_fit"
    assert [one.settings for one in found.alternatives] == [{"profiles": "lean"}]


def test_own_server_counts_against_the_budget_of_the_group() -> None:
    home = planned(own(), machine=None)
    rented = kit.planned(kit.settings(serverType="cpx22"), others=[home])
    alone = kit.planned(kit.settings(serverType="cpx22"))
    assert rented.total_usd == (alone.total_usd or 0) + Decimal("11.64")
    assert [line.resource for line in rented.lines][-1] == "stack home"
    assert planned(own(), prices=kit.SHIPPED_PRICES, others=[alone]).total_usd == rented.total_usd


def test_rented_stack_has_the_verdict_unknown_if_an_own_server_of_its_budget_group_has_no_price() -> None:
    found = kit.planned(kit.settings(serverType="cpx22"), others=[planned(unpriced(), machine=None)])
    assert found.verdict == "unknown" and "stack home of the same budget group has no price" in found.reason


def test_verdict_is_unknown_if_the_price_list_for_a_rented_stack_of_the_group_is_old() -> None:
    old = kit.SHIPPED_PRICES.model_copy(update={"date": date(2026, 9, 1)})
    found = planned(own(price={"currency": "USD"}), prices=old, others=[kit.planned(kit.settings())])
    assert found.verdict == "unknown" and "prices: 37 days old" in found.reason


def judged(settings: Settings, *resources: Any, **more: Any) -> str:
    """Return why the policy pack refuses these resources, or an empty text if it accepts them."""
    inputs = RentalInputs(None, kit.RATE, kit.TODAY, machine=MACHINE)
    return problem(settings, resources, replace(inputs, **more))


def test_policy_pack_judges_the_stated_price_and_the_real_size_of_an_own_server() -> None:
    assert judged(own(), container()) == ""
    assert judged(own(price={"amount": "50"}), container()).startswith("over: ")
    assert judged(unpriced(), container()).startswith("unknown: the price of the server is not stated")
    assert judged(own(), container(memory=9000, memorySwap=9000)).startswith("does not fit: ")


def test_policy_pack_adds_rented_resources_to_the_stated_price() -> None:
    volume = hcloud("Volume", size=10)
    free = judged(own(price={"amount": "42.50"}), volume, prices=kit.SHIPPED_PRICES)
    assert free.startswith("over: ")
    assert judged(own(price={"amount": "40"}), volume, prices=kit.SHIPPED_PRICES) == ""


@pytest.mark.parametrize("currency", ["EUR", "USD"])
@pytest.mark.parametrize("days", [0, RATE_DAYS + 1, None])
@pytest.mark.parametrize("group", [False, True])
def test_planner_and_policy_pack_give_the_same_verdict_for_an_own_server(
    currency: str, days: int | None, group: bool
) -> None:
    """Without euros in the bill, neither needs an exchange rate; None stands for an unknown rate."""
    old = None if days is None else kit.RATE.model_copy(update={"date": kit.TODAY - timedelta(days=days)})
    rented = {"prices": kit.SHIPPED_PRICES, "others": [kit.planned(kit.settings(serverType="cpx12"))]} if group else {}
    settings = own(price={"currency": currency})
    found = planned(settings, rate=old, **rented)
    assert found.verdict == ("within" if days == 0 or (currency, group) == ("USD", False) else "unknown")
    refused = judged(settings, container(), rate=old, **rented)
    assert refused.partition(":")[0] == ("" if found.verdict == "within" else found.verdict)


def test_budget_rule_of_the_policy_pack_refuses_an_own_server_over_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pack, "_settings", lambda: own(price={"amount": "50"}))
    monkeypatch.setattr(pack, "_inputs", lambda rented: RentalInputs(None, kit.RATE, kit.TODAY, machine=MACHINE))
    assert pack.Budget().problem([container()]).startswith("over: ")


@pytest.mark.parametrize(
    "values",
    [
        {"sshHost": "-oProxyCommand=touch"},
        {"sshHost": "a b"},
        {"sshUser": "root;id"},
        {"sshUser": "-l"},
        {"sshPort": 0},
        {"serverPrice": {**PRICE, "amount": "-1"}},
        {"serverPrice": {**PRICE, "amount": "NaN"}},
        {"serverPrice": {**PRICE, "currency": "GBP"}},
        {"serverPrice": {**PRICE, "per": "day"}},
        {"serverPrice": {**PRICE, "discount": "1"}},
        {"serverPrice": {key: value for key, value in PRICE.items() if key != "tax"}},
        {"serverPrice": "10"},
    ],
)
def test_invalid_settings_of_an_own_server_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Settings.of("home", {"host": "ssh", **values})


def test_host_ssh_publishes_ports_on_every_address_and_only_host_hetzner_creates_servers() -> None:
    assert {name for name, host in HOSTS.items() if host.makes_machine} == {"hetzner"}
    assert host_of(own()).ports(own()) == (80, 443) and host_of(own()).bind_address == "0.0.0.0"

"""Test the warnings of a plan, for example about settings without effect, missing backups, and a raised budget."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hcloud import Client

from infra.cost import Deployed, Machine, Plan, Rate, gate, plan
from infra.cost.planning.inputs import RentalInputs
from infra.cost.reports.actual import ask
from infra.cost.reports.markdown import render
from infra.cost.reports.text import headline
from infra.cost.sources import rate
from infra.cost.sources.live import Account
from infra.hosts import HOSTS
from infra.services import Service, catalogue, selected
from infra.settings import Settings
from stack_runtime.errors import RefusedError, UsageError
from tests.kit.hetzner.api import HetznerAPI
from tests.unit.cost import kit

EVERYWHERE = {
    "stack", "host", "profiles", "budget_usd", "workers", "services", "schedule", "domain", "executor", "notify",
}  # fmt: skip
"""Settings that both a local stack and a stack on a server use."""
VALUES: dict[str, Any] = {
    "budgetGroup": "lab", "tax": "net", "fxRate": "1.2", "fxDate": "2026-10-01", "allowSnapshot": True,
    "serverType": "cpx22", "location": "nbg1", "backups": True, "volumeGb": 20, "snapshotGb": 5, "offsiteGb": 5,
    "offsiteEurPerGb": "0.01", "trafficTb": 2, "email": "a@b.test", "sshFrom": ["10.0.0.0/8"], "dnsZone": "b.test",
    "serverImage": "debian-13", "certificates": "staging", "certificateChallenge": "dns",
    "registryMirror": "http://10.0.0.1:5000", "sshHost": "192.0.2.1", "sshPort": 2222, "sshUser": "admin",
    "serverPrice": {"amount": "9", "currency": "EUR", "tax": "gross", "per": "month", "date": "2026-10-01"},
}  # fmt: skip


def _local(run: Sequence[Service] = (kit.service(),), **values: Any) -> Plan:
    inputs = RentalInputs(None, None, date.min, machine=Machine(memory_mb=16_000))
    return plan(Settings.of("dev", values), run, inputs)


def _warnings_with(found: Plan, *words: str) -> list[str]:
    """Return the warnings that contain all `words`. If there are any, the Markdown report must have all `words` too."""
    warnings = [warning for warning in found.warnings if all(word in warning for word in words)]
    assert all(word in render(found) for word in words if warnings)
    return warnings


def test_every_setting_is_used_everywhere_or_listed_as_unused_by_a_host() -> None:
    server_only, local_only = (HOSTS[name].unused_settings for name in ("local", "hetzner"))
    assert set(Settings.model_fields) == EVERYWHERE | set(server_only) | set(local_only)
    assert {Settings.model_fields[name].alias for name in server_only} == {*VALUES, "certificateRoot"}


@pytest.mark.parametrize("name", VALUES)
def test_setting_without_effect_on_a_local_stack_is_reported(name: str) -> None:
    together = {"fxRate": "1.2", "fxDate": "2026-10-01"} if name.startswith("fx") else {name: VALUES[name]}
    (warning,) = _warnings_with(_local(**together), "do nothing")
    assert set(warning.partition(": ")[2].split(", ")) == set(together)


def test_local_stack_has_no_warnings_if_every_given_setting_has_an_effect() -> None:
    used = {"profiles": ["full"], "budgetUsd": 50, "domain": "data.test", "schedule": "daily", "httpPort": 1080}
    assert _local(selected(Settings.of("dev", used)), **used).warnings == ()


def test_alert_receivers_are_reported_as_unused_if_the_profile_monitoring_is_not_selected() -> None:
    values = {"notify": {"webhook": True}}
    assert len(_warnings_with(_local(**values), "notify does nothing", "monitoring")) == 1
    watched = values | {"profiles": ["monitoring"]}
    assert _local(selected(Settings.of("dev", watched)), **watched).warnings == ()


def test_executor_celery_is_reported_as_unused_without_the_profile_orchestration() -> None:
    for values, says in (({}, True), ({"profiles": ["orchestration"]}, False), ({"profiles": ["full"]}, False)):
        own = {"executor": "celery", **values}
        found = (kit.planned(kit.settings(**own)), _local(**own))
        assert [bool(_warnings_with(one, "executor of celery does nothing", "orchestration")) for one in found] == [
            says, says
        ]  # fmt: skip
    assert not _warnings_with(_local(executor="local"), "executor")


def test_registry_mirror_of_an_own_server_is_reported_because_an_installed_docker_does_not_use_it() -> None:
    own = Settings.of("home", {"host": "ssh", "registryMirror": VALUES["registryMirror"]})
    inputs = RentalInputs(None, kit.RATE, kit.TODAY)
    assert _warnings_with(plan(own, (kit.service(),), inputs), "registryMirror does nothing if Docker is")
    assert not _warnings_with(plan(Settings.of("home", {"host": "ssh"}), (kit.service(),), inputs), "registryMirror")


def test_rate_far_below_the_last_known_rate_is_named_in_every_report(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FDS_CACHE_DIR", str(tmp_path))
    low, usual = (
        rate.find(kit.settings(fxRate=given, fxDate=str(kit.TODAY)), kit.TODAY, ask=False) for given in ("1.0", "1.1")
    )
    says = "the exchange rate of 1.0 in the settings is 10.2 % below the last known rate, 1.1133 of 2026-10-28"
    found = kit.planned(rate=low)
    assert _warnings_with(found, says) and says in headline(found)
    assert not _warnings_with(kit.planned(rate=usual), "below the last known rate")
    with pytest.raises(RefusedError, match=says):
        gate(kit.planned(kit.settings(serverType="cpx42"), rate=low))
    with HetznerAPI() as api:
        monkeypatch.setenv("HCLOUD_ENDPOINT", api.endpoint)
        now = datetime(2026, 10, 8, tzinfo=UTC)
        assert says in ask(found, kit.SHIPPED_PRICES, Account(api.read_only_token), now).warnings


@pytest.mark.parametrize("name", ["httpPort", "httpsPort", "sshHost", "sshPort", "sshUser", "serverPrice"])
def test_setting_that_only_other_hosts_use_is_reported_for_a_hetzner_server(name: str) -> None:
    value = VALUES.get(name, 9000)
    assert len(_warnings_with(kit.planned(kit.settings(**{name: value})), "do nothing", name)) == 1
    assert not _warnings_with(kit.planned(), "do nothing")


@pytest.mark.parametrize("name", ["email", "dnsZone", "certificates", "certificateChallenge"])
def test_settings_that_need_a_domain_are_reported_if_no_domain_is_set(name: str) -> None:
    assert _warnings_with(kit.planned(kit.settings(**{name: VALUES[name]})), "without the setting domain", name)
    with_domain = kit.settings(domain="data.b.test", **{name: VALUES[name]})
    assert not _warnings_with(kit.planned(with_domain), "do nothing")


@pytest.mark.parametrize("domain", ["other.test", "ab.test", "test", "b.test.example"])
def test_zone_that_does_not_contain_the_domain_is_refused(domain: str) -> None:
    with pytest.raises(UsageError, match=f"setting dnsZone: .* does not contain the domain {domain}"):
        kit.settings(domain=domain, dnsZone="b.test")
    for held in ("b.test", "data.b.test"):
        assert kit.settings(domain=held, dnsZone="b.test").domain == held


@pytest.mark.parametrize("name", ["serverImage", "registryMirror"])
def test_settings_that_affect_only_new_servers_are_reported_if_a_server_may_exist(name: str) -> None:
    own = kit.settings(**{name: VALUES[name]})
    assert _warnings_with(kit.planned(own), "an existing server", name)
    assert name in headline(kit.planned(own)), "`fds up` prints the headline"
    assert _warnings_with(kit.planned(own, deployed=Deployed("cpx22", "fsn1", 10, 80)), "an existing server", name)
    assert not _warnings_with(kit.planned(own, deployed=Deployed()), name)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"backups": True}, ("backups", "not the data volume, which holds all data")),
        ({"snapshotGb": 5}, ("snapshotGb", "nothing makes snapshots yet")),
        ({"offsiteGb": 5, "offsiteEurPerGb": "0.01"}, ("offsiteGb", "nothing makes off-site copies yet")),
        ({"offsiteGb": 5}, ("offsiteGb", "nothing makes off-site copies yet")),
        ({"offsiteEurPerGb": "0.01"}, ("offsiteEurPerGb does nothing",)),
    ],
)
def test_backup_settings_that_make_no_backups_or_incomplete_backups_are_reported(
    settings: dict[str, Any], words: tuple[str, ...]
) -> None:
    assert len(_warnings_with(kit.planned(kit.settings(**settings)), *words)) == 1
    assert not _warnings_with(kit.planned(), words[0])


def test_number_of_workers_is_reported_as_unused_if_no_selected_service_uses_it() -> None:
    idle, worker = kit.service(), kit.service("jobs", workers=True)
    for services, says in (((idle,), True), ((idle, worker), False)):
        found = (kit.planned(kit.settings(workers=3), services), _local(services, workers=3))
        assert [bool(_warnings_with(one, "workers of 3 does nothing")) for one in found] == [says, says]
    assert not _warnings_with(_local(workers=1), "workers")


def test_profile_full_reports_the_number_of_workers_as_unused_unless_a_service_uses_it() -> None:
    own = kit.settings(workers=2, profiles=["full"], executor="celery")
    uses = any(service.scaled_by == "workers" for service in catalogue())
    assert bool(_warnings_with(kit.planned(own, selected(own)), "workers of 2 does nothing")) != uses


def test_service_override_without_effect_is_reported() -> None:
    override = {"services": {"bi": {"memoryMb": 512}, "app": {"memoryMb": 512}, "db": {}}}
    services = (kit.service(), kit.service("db"))
    for found in (kit.planned(kit.settings(**override), services), _local(services, **override)):
        assert _warnings_with(found, "services.bi does nothing", "no profile")
        assert _warnings_with(found, "services.db does nothing", "neither memoryMb nor cpu")
        assert not _warnings_with(found, "services.app")


@pytest.mark.parametrize(
    ("networks", "open_"),
    [
        ([], True), (["0.0.0.0/0"], True), (["10.0.0.0/8", "::/0"], True), (["0.0.0.0/1", "128.0.0.0/1"], True),
        (["10.0.0.0/8"], False), (["10.0.0.0/8", "fd00::/8"], False), (["0.0.0.0/1"], False),
    ],
)  # fmt: skip
def test_ssh_that_is_open_to_every_ipv4_or_every_ipv6_address_is_reported(networks: list[str], open_: bool) -> None:
    found = kit.planned(kit.settings(sshFrom=networks))
    assert bool(_warnings_with(found, "port 22 is open to every address")) == open_


def test_raised_budget_is_named_in_the_plan_the_refusal_and_the_report_of_actual_cost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    says = "budget raised to $80.00 by setting budgetUsd"
    server = kit.planned(kit.settings(budgetUsd=80))
    assert _warnings_with(server, says) and _warnings_with(_local(budgetUsd=80), says)
    assert not _warnings_with(_local(budgetUsd=50), "raised") and not _warnings_with(kit.planned(), "raised")
    with pytest.raises(RefusedError, match=r"over: .*; budget raised to \$80\.00 by setting budgetUsd"):
        gate(kit.planned(kit.settings(budgetUsd=80, serverType="cpx42")))
    with HetznerAPI() as api:
        monkeypatch.setenv("HCLOUD_ENDPOINT", api.endpoint)
        account, now = Account(api.read_only_token), datetime(2026, 10, 8, tzinfo=UTC)
        assert says in ask(server, kit.SHIPPED_PRICES, account, now).warnings
        assert not any("raised" in one for one in ask(kit.planned(), kit.SHIPPED_PRICES, account, now).warnings)


@pytest.mark.parametrize("rate", ["0.01", "99"])
def test_cost_of_the_existing_resources_is_unknown_at_an_implausible_exchange_rate(
    rate: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with HetznerAPI() as api:
        monkeypatch.setenv("HCLOUD_ENDPOINT", api.endpoint)
        body = {"name": "data", "size": 20, "location": "fsn1"}
        Client(api.token, api_endpoint=api.endpoint).request("POST", "/volumes", json=body)
        found = ask(
            kit.planned(rate=Rate(rate=Decimal(rate), date=kit.TODAY, source="settings")),
            kit.SHIPPED_PRICES, Account(api.read_only_token), datetime(2026, 10, 8, tzinfo=UTC),
        )  # fmt: skip
    assert [item.monthly_usd for item in found.items] == [None] and found.total_usd is None

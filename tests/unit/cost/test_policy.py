"""Test the cost rules of the policy pack on resources in the form in which the Pulumi engine would pass them."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from infra.cost.planning.inputs import RentalInputs
from infra.cost.sources.saved import SHIPPED
from infra.policy import pack
from infra.policy.pack import settings_of
from infra.policy.pricing import FREE, problem
from infra.policy.resources import UNKNOWN, Resource
from infra.settings import Settings
from stack_runtime.errors import UsageError
from stack_runtime.paths import PROJECT
from tests.unit.cost import kit

INPUTS = RentalInputs(kit.SHIPPED_PRICES, kit.RATE, kit.TODAY)


def hcloud(name: str, **props: Any) -> Resource:
    """Return a resource of the Hetzner provider; `name` is its type, for example `Server`, and `props` its inputs."""
    return Resource(f"hcloud:index/{name[0].lower()}{name[1:]}:{name}", name.lower(), props)


def container(**props: Any) -> Resource:
    """Return a container that breaks no rule, unless the inputs in `props` break one."""
    good = {"image": "redis:7", "memory": 64, "memorySwap": 64, "cpus": "0.5", "name": "redis"}
    return Resource("docker:index/container:Container", "redis", {**good, **props})


SERVER = hcloud("Server", serverType="cpx22", location="fsn1")
VOLUME = hcloud("Volume", size=10)


def problem_with(*resources: Resource, **settings: Any) -> str:
    """Return the reason why the resources must not be deployed, or an empty string."""
    return problem(kit.settings(**settings), resources, INPUTS)


def test_planned_stack_passes_with_a_budget_equal_to_the_planned_total() -> None:
    total = kit.planned(kit.settings(serverType="cpx22")).total_usd
    assert total is not None
    assert problem_with(SERVER, VOLUME, budgetUsd=str(total)) == ""
    assert "over" in problem_with(SERVER, VOLUME, budgetUsd=str(total - Decimal("0.01")))


@pytest.mark.parametrize(
    "extra",
    [
        hcloud("Server", serverType="cpx22", location="hel1"),
        hcloud("Volume", size=400),
        hcloud("Server", serverType="cpx22", datacenter="fsn1-dc14"),
    ],
)
def test_resources_that_the_settings_do_not_plan_count_against_the_budget(extra: Resource) -> None:
    assert problem_with(SERVER, VOLUME, extra).startswith("over: ")


@pytest.mark.parametrize(
    "extra",
    [
        hcloud("Server", serverType=UNKNOWN, location="fsn1"),
        hcloud("Server", serverType="cpx22", location=UNKNOWN),
        hcloud("Server", serverType="cpx22", location="fsn1", backups=UNKNOWN),
        hcloud("Server", serverType="cpx22", location=UNKNOWN, publicNets=UNKNOWN),
        hcloud("Server", serverType="cpx22"),
        hcloud("Server", serverType="cpx999", location="fsn1"),
        hcloud("Volume", size=UNKNOWN),
        hcloud("Volume", size="10"),
        hcloud("Volume"),
        hcloud("FloatingIp", type="ipv4", homeLocation="fsn1"),
        hcloud("PrimaryIp", type=UNKNOWN, location="fsn1"),
        hcloud("LoadBalancer", loadBalancerType="lb99", location="fsn1"),
        hcloud("StorageBox", size=1),
        Resource("aws:ec2/instance:Instance", "big", {}),
        Resource("command:local:Command", "order", {"create": "hcloud server create"}),
        Resource("command:remote:Command", "order", {}),
        Resource("docker-build:index:Image", "image", {}),
        Resource("pulumi-python:dynamic:Resource", "mine", {}),
        Resource("docker:index/service:Service", "swarm", {}),
        Resource("fds:index:Server", "mine", {}),
    ],
)
def test_resource_without_a_known_price_gives_the_verdict_unknown(extra: Resource) -> None:
    assert problem_with(SERVER, VOLUME, extra).startswith("unknown: ")


def test_free_resources_and_components_add_no_cost() -> None:
    free = [Resource(kind, "free", {}) for kind in FREE]
    free += [
        Resource(kind, "free", {}) for kind in ("random:index/randomPet:RandomPet", "pulumi:pulumi:StackReference")
    ]
    component = Resource("my:own:Component", "mine", {}, custom=False)
    total = kit.planned(kit.settings(serverType="cpx22")).total_usd
    assert problem_with(SERVER, VOLUME, *free, component, budgetUsd=str(total)) == ""


@pytest.mark.parametrize("host", ["local", "ssh"])
@pytest.mark.parametrize(
    "kind",
    ["random:index/randomPet:RandomPet", "tls:index/privateKey:PrivateKey", "hcloud:index/sshKey:SshKey"],
)
def test_free_resource_needs_no_price_list_in_a_stack_that_rents_no_server(
    kind: str, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    price = {"amount": "10", "currency": "USD", "tax": "gross", "per": "month", "date": "2026-10-01"}
    own = Settings.of("home", {"host": host, **({"serverPrice": price} if host == "ssh" else {})})
    monkeypatch.setattr(pack, "_settings", lambda: own)
    known = {False: RentalInputs(None, None, kit.TODAY)}  # an entry for `rented` would be a price list
    monkeypatch.setattr(pack, "_inputs", known.__getitem__)
    assert pack.Budget().problem([Resource(kind, "free", {}), container()]) == ""


def test_server_address_that_is_also_a_separate_resource_is_counted_once() -> None:
    own = hcloud("Server", serverType="cpx22", location="fsn1", publicNets=[{"ipv4": 17}])
    address = hcloud("PrimaryIp", type="ipv4", location="fsn1")
    total = str(kit.planned(kit.settings(serverType="cpx22")).total_usd)
    assert problem_with(own, address, VOLUME, budgetUsd=total) == ""
    assert problem_with(own, VOLUME, budgetUsd=total) == "", "an address created elsewhere is counted too"
    assert "over" in problem_with(
        own, address, hcloud("PrimaryIp", type="ipv4", location="fsn1"), VOLUME, budgetUsd=total
    )
    none = hcloud("Server", serverType="cpx22", location="fsn1", publicNets=[{"ipv4Enabled": False}])
    assert problem_with(none, VOLUME, budgetUsd=str(Decimal(total) - Decimal("0.70"))) == ""


def test_server_whose_addresses_the_preview_does_not_know_is_counted_with_one_address() -> None:
    """A server has at most one IPv4 address that costs money, so the cost of one is assumed."""
    total = kit.planned(kit.settings(serverType="cpx22")).total_usd
    assert total is not None
    server = hcloud("Server", serverType="cpx22", location="fsn1", publicNets=UNKNOWN, datacenter=UNKNOWN)
    assert problem_with(server, VOLUME, budgetUsd=str(total)) == ""
    assert "over" in problem_with(server, VOLUME, budgetUsd=str(total - Decimal("0.01")))


def test_backups_and_snapshots_count_against_the_budget() -> None:
    total = kit.planned(kit.settings(serverType="cpx22", backups=True)).total_usd
    backed = hcloud("Server", serverType="cpx22", location="fsn1", backups=True)
    assert problem_with(backed, VOLUME, budgetUsd=str(total)) == ""
    assert "over" in problem_with(backed, VOLUME, snapshotGb=1, budgetUsd=str(total))
    assert "snapshot at most" in problem_with(backed, VOLUME, hcloud("Snapshot", serverId=1), budgetUsd=str(total))


def test_load_balancer_counts_against_the_budget() -> None:
    # $38.87 is $28.49 for the stack plus $10.38 for the load balancer: 7.49 EUR, 19 % VAT, 1.1637 dollars per euro.
    balancer = hcloud("LoadBalancer", loadBalancerType="lb11", location="fsn1")
    assert problem_with(SERVER, VOLUME, balancer, budgetUsd="38.87") == ""
    assert "over: $38.87" in problem_with(SERVER, VOLUME, balancer, budgetUsd="38.86")


def test_other_stacks_of_the_budget_group_count_against_the_budget() -> None:
    other = kit.planned(kit.settings(serverType="cpx22")).model_copy(update={"stack": "staging"})
    found = problem(kit.settings(), (SERVER, VOLUME), RentalInputs(kit.SHIPPED_PRICES, kit.RATE, kit.TODAY, (other,)))
    assert found.startswith("over: $56.98") and "stack staging" in found


@pytest.mark.parametrize(("key", "most"), [("memoryReservation", 3600), ("memory", 4000), ("cpus", "9")])
def test_negative_memory_or_cpu_of_one_container_does_not_offset_another_container(key: str, most: object) -> None:
    assert problem_with(SERVER, VOLUME, container(**{key: most}), container(**{key: -5000})).startswith("does not fit")


def test_sum_of_memory_limits_may_exceed_the_memory_up_to_the_overcommit_factor() -> None:
    many = [container(memory=1800) for _ in range(4)]
    assert "does not fit: memory limits: 7,200 MiB needed, " in problem_with(SERVER, VOLUME, *many)
    assert problem_with(SERVER, VOLUME, *many[:3]) == ""


@pytest.mark.parametrize(
    ("props", "says"),
    [
        ({"memory": 4000}, "the memory limit of one service: 4,000 MiB needed"),
        ({"memoryReservation": 3600}, "memory: "),
        ({"cpus": "2.5"}, "the CPU limit of one service: 2.5 cores needed, 2 available"),
    ],
)
def test_container_that_exceeds_the_capacity_of_the_server_is_refused(props: dict[str, Any], says: str) -> None:
    assert f"does not fit: {says}" in problem_with(SERVER, VOLUME, container(**props))


def test_container_that_is_never_started_needs_no_capacity() -> None:
    assert problem_with(SERVER, VOLUME, container(memory=4000, start=False)) == ""


def test_unknown_memory_limit_gives_the_verdict_unknown() -> None:
    assert problem_with(SERVER, VOLUME, container(memory=UNKNOWN)).startswith(
        "unknown: memory of redis is not known yet"
    )


def test_planner_and_policy_pack_give_the_same_verdict_and_reason() -> None:
    """The planner and the policy pack call the same function for their verdicts."""
    for own, resources in (
        (kit.settings(serverType="cpx22", budgetUsd="28"), (SERVER, VOLUME)),
        (kit.settings(serverType="cpx22", snapshotGb=400, budgetUsd="30"), (SERVER, VOLUME)),
        (kit.settings(serverType="cpx22", offsiteGb=1), (SERVER, VOLUME)),
    ):
        plan = kit.planned(own)
        assert plan.verdict in ("over", "unknown")
        assert problem(own, resources, INPUTS).startswith(f"{plan.verdict}: {plan.reason} (")


def test_settings_are_read_from_environment_variables_that_the_engine_sets() -> None:
    config = '{"freelancer-data-stack:budgetUsd": "40", "freelancer-data-stack:secrets": "x", "docker:host": "y"}'
    found = settings_of({"PULUMI_STACK": "prod", "PULUMI_CONFIG": config})
    assert (found.stack, found.budget_usd) == ("prod", Decimal(40))


def test_pack_refuses_the_program_of_another_project_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings of a data stack in another program are not in PULUMI_CONFIG, so no check would be right."""
    environment = {"PULUMI_PROJECT": "shop", "PULUMI_STACK": "dev", "PULUMI_CONFIG": "{}"}
    with pytest.raises(UsageError, match="not the program of shop"):
        settings_of(environment)
    assert settings_of({**environment, "PULUMI_PROJECT": PROJECT}).stack == "dev"
    configured = {**environment, "PULUMI_CONFIG": json.dumps({f"{PROJECT}:budgetUsd": "20"})}
    assert settings_of(configured).budget_usd == 20
    for key, value in environment.items():
        monkeypatch.setenv(key, value)
    pack._settings.cache_clear()
    published = container(ports=[{"internal": 80, "external": 8080}])
    (unclean,) = pack.unclean(published)
    assert unclean == pack.Budget().problem([SERVER]) == pack.unlike_the_proxy([published])
    assert "leave out --policy-pack" in unclean


def test_pack_counts_the_stacks_of_the_deployed_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other stacks must be read from the deployed project, and not from the folder of the policy pack."""
    own = {"host": "hetzner", "fxRate": "1.1637", "fxDate": "2026-10-07", "allowSnapshot": True, "serverType": "cpx22"}
    config = {f"{PROJECT}:{key}": value for key, value in own.items()}
    (tmp_path / "Pulumi.second.yaml").write_text(json.dumps({"config": config}))
    for key, value in {
        "PULUMI_STACK": "prod",
        "PULUMI_CONFIG": json.dumps({key: str(value).lower() for key, value in config.items()}),
        "FDS_PROJECT_DIR": str(tmp_path),
        "FDS_PRICES_DIR": str(SHIPPED),
    }.items():
        monkeypatch.setenv(key, value)
    for kept in (pack._settings, pack._inputs):
        kept.cache_clear()
    try:
        assert "stack second" in pack.Budget().problem([SERVER, VOLUME])
    finally:
        for kept in (pack._settings, pack._inputs):
            kept.cache_clear()

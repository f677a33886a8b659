"""The policy pack's rules on resources as the engine shows them; no engine is needed."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from infra.cost.inputs import Inputs
from infra.cost.saved import SHIPPED
from infra.policy import hygiene, pack
from infra.policy.pack import settings_of
from infra.policy.pricing import FREE, problem
from infra.policy.resources import UNKNOWN, Resource
from stack_runtime.paths import PROJECT
from tests.unit.cost import kit

INPUTS = Inputs(kit.SHIPPED_PRICES, kit.RATE, kit.TODAY)


def hcloud(name: str, **props: Any) -> Resource:
    """A resource of Hetzner's."""
    return Resource(f"hcloud:index/{name[0].lower()}{name[1:]}:{name}", name.lower(), props)


def container(**props: Any) -> Resource:
    """A container that breaks no rule, but for `props`."""
    good = {"image": "redis:7", "memory": 64, "memorySwap": 64, "cpus": "0.5", "name": "redis"}
    return Resource("docker:index/container:Container", "redis", {**good, **props})


SERVER = hcloud("Server", serverType="cpx22", location="fsn1")
VOLUME = hcloud("Volume", size=10)


def judged(*resources: Resource, **settings: Any) -> str:
    """Why the resources may not be deployed."""
    return problem(kit.settings(**settings), resources, INPUTS)


def test_the_planned_stack_passes_at_exactly_the_planned_price() -> None:
    total = kit.planned(kit.settings(serverType="cpx22")).total_usd
    assert total is not None
    assert judged(SERVER, VOLUME, budgetUsd=str(total)) == ""
    assert "over" in judged(SERVER, VOLUME, budgetUsd=str(total - Decimal("0.01")))


@pytest.mark.parametrize(
    "extra",
    [
        hcloud("Server", serverType="cpx22", location="hel1"),
        hcloud("Volume", size=400),
        hcloud("Server", serverType="cpx22", datacenter="fsn1-dc14"),
    ],
)
def test_what_the_settings_do_not_say_is_found(extra: Resource) -> None:
    assert judged(SERVER, VOLUME, extra).startswith("over: ")


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
    ],
)
def test_what_cannot_be_priced_is_never_zero(extra: Resource) -> None:
    assert judged(SERVER, VOLUME, extra).startswith("unknown: ")


def test_what_is_free_is_free_and_components_are_nothing() -> None:
    free = [Resource(kind, "free", {}) for kind in FREE]
    component = Resource("my:own:Component", "mine", {}, custom=False)
    total = kit.planned(kit.settings(serverType="cpx22")).total_usd
    assert judged(SERVER, VOLUME, *free, component, budgetUsd=str(total)) == ""


def test_addresses_are_counted_once() -> None:
    own = hcloud("Server", serverType="cpx22", location="fsn1", publicNets=[{"ipv4": 17}])
    address = hcloud("PrimaryIp", type="ipv4", location="fsn1")
    total = str(kit.planned(kit.settings(serverType="cpx22")).total_usd)
    assert judged(own, address, VOLUME, budgetUsd=total) == ""
    assert judged(own, VOLUME, budgetUsd=total) == "", "an address from elsewhere is paid for all the same"
    assert "over" in judged(own, address, hcloud("PrimaryIp", type="ipv4", location="fsn1"), VOLUME, budgetUsd=total)
    none = hcloud("Server", serverType="cpx22", location="fsn1", publicNets=[{"ipv4Enabled": False}])
    assert judged(none, VOLUME, budgetUsd=str(Decimal(total) - Decimal("0.70"))) == ""


def test_addresses_that_a_preview_leaves_open_count_as_one() -> None:
    """The most that they can cost: a preview neither refuses what the deployment takes, nor lets more through."""
    total = kit.planned(kit.settings(serverType="cpx22")).total_usd
    assert total is not None
    server = hcloud("Server", serverType="cpx22", location="fsn1", publicNets=UNKNOWN, datacenter=UNKNOWN)
    assert judged(server, VOLUME, budgetUsd=str(total)) == ""
    assert "over" in judged(server, VOLUME, budgetUsd=str(total - Decimal("0.01")))


def test_backups_snapshots_and_what_settings_add_count() -> None:
    total = kit.planned(kit.settings(serverType="cpx22", backups=True)).total_usd
    backed = hcloud("Server", serverType="cpx22", location="fsn1", backups=True)
    assert judged(backed, VOLUME, budgetUsd=str(total)) == ""
    assert "over" in judged(backed, VOLUME, snapshotGb=1, budgetUsd=str(total))
    assert "snapshot at most" in judged(backed, VOLUME, hcloud("Snapshot", serverId=1), budgetUsd=str(total))


def test_load_balancers_are_priced() -> None:
    # 28.49 + up(7.49*1.19*1.1637)
    balancer = hcloud("LoadBalancer", loadBalancerType="lb11", location="fsn1")
    assert judged(SERVER, VOLUME, balancer, budgetUsd="38.87") == ""
    assert "over: $38.87" in judged(SERVER, VOLUME, balancer, budgetUsd="38.86")


def test_the_group_counts() -> None:
    other = kit.planned(kit.settings(serverType="cpx22")).model_copy(update={"stack": "staging"})
    found = problem(kit.settings(), (SERVER, VOLUME), Inputs(kit.SHIPPED_PRICES, kit.RATE, kit.TODAY, (other,)))
    assert found.startswith("over: $56.98") and "stack staging" in found


def test_limits_of_containers_must_suit_the_server() -> None:
    many = [container(memory=2000) for _ in range(4)]
    assert judged(SERVER, VOLUME, *many).startswith("does not fit: memory limits of 8,000 MiB")
    assert judged(SERVER, VOLUME, *many[:3]) == ""


@pytest.mark.parametrize(
    ("props", "says"),
    [
        ({"memory": None}, "memory limit"), ({"memory": 0}, "memory limit"), ({"memorySwap": -1}, "swap"),
        ({"memorySwap": None}, "swap"), ({"cpus": ""}, "CPU"), ({"cpus": "0"}, "CPU"), ({"cpus": None}, "CPU"),
        ({"image": "redis"}, "fixed tag"), ({"image": "redis:latest"}, "fixed tag"),
        ({"image": "localhost:5000/redis"}, "fixed tag"), ({"ports": [{"internal": 6379}]}, "publishes ports"),
        ({"ports": UNKNOWN}, "publishes ports"), ({"publishAllPorts": True}, "publishes ports"),
        ({"networkMode": "host"}, "host's network"), ({"privileged": True}, "privileged"),
        ({"volumes": [{"hostPath": "/var/run/docker.sock"}]}, "socket"), ({"volumes": [{"hostPath": "/"}]}, "socket"),
        ({"volumes": [{"hostPath": "/run/./docker.sock"}]}, "socket"),
        ({"volumes": [{"hostPath": "/var//run/"}]}, "socket"),
        ({"volumes": [{"hostPath": "/srv/../var/run"}]}, "socket"),
        ({"mounts": [{"source": "/var/run", "type": "bind"}]}, "socket"),
    ],
)  # fmt: skip
def test_hygiene(props: dict[str, Any], says: str) -> None:
    found = list(hygiene.problems(container(**props), ("traefik",)))
    assert len(found) == 1 and says in found[0]


def test_what_is_clean_passes() -> None:
    label = {"label": "fds.service", "value": "traefik"}
    for good in (
        container(),
        container(image="sha256:" + "0" * 64, volumes=[{"volumeName": "data"}, {"hostPath": "/srv/data"}]),
        container(image=UNKNOWN, memory=UNKNOWN, memorySwap=UNKNOWN, cpus=UNKNOWN),
        container(ports=[{"internal": 80, "external": 80}], labels=[label]),
        Resource("docker:index/remoteImage:RemoteImage", "image", {"name": "redis:7"}),
    ):
        assert list(hygiene.problems(good, ("traefik",))) == []


def test_images_and_volumes_of_the_stack_are_checked_too() -> None:
    image = Resource("docker:index/remoteImage:RemoteImage", "image", {"name": "redis"})
    volume = Resource("docker:index/volume:Volume", "v", {"driverOpts": {"o": "bind", "device": "/var/run"}})
    assert [len(list(hygiene.problems(one, ()))) for one in (image, volume)] == [1, 1]


def test_settings_come_from_the_engine() -> None:
    config = '{"freelancer-data-stack:budgetUsd": "40", "freelancer-data-stack:secrets": "x", "docker:host": "y"}'
    found = settings_of({"PULUMI_STACK": "prod", "PULUMI_CONFIG": config})
    assert (found.stack, found.budget_usd) == ("prod", Decimal(40))


def test_the_pack_counts_the_neighbours_in_the_project_that_the_engine_works_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not those around its own folder."""
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

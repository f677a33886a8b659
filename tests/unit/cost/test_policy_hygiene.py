"""Test which inputs of Docker and Hetzner resources the policy pack accepts, and which it refuses."""

from __future__ import annotations

import re
from typing import Any

import pulumi_docker as docker
import pytest

from infra.hosts.hetzner import token
from infra.policy.docker_rules import CONTAINER_INPUTS
from infra.policy.hygiene import problems
from infra.policy.resources import IMAGE, NETWORK, UNKNOWN, VOLUME, Resource
from tests.unit.cost import kit
from tests.unit.cost.test_policy import container, hcloud

SETTINGS = kit.settings(sshFrom=["192.0.2.0/24"])
ANYWHERE = ["0.0.0.0/0", "::/0"]

HOST_PATHS = (
    *("/", "//", "/.", "/var/run/docker.sock", "//var/run//docker.sock", "/var/run/./docker.sock/", "/run"),
    *(
        "/var/run/../run/docker.sock",
        "/srv/../var/run",
        "/proc/1/root/run/docker.sock",
        "/proc/self/root",
        "/var//run/",
    ),
    *("/run/containerd/containerd.sock", "/run/podman/podman.sock", "/run/user/1000/docker.sock", "/var/lib/docker"),
    *("/srv/data", "/etc", "/dev", "/root/.ssh"),
)
"""Docker's socket in several spellings, folders that contain this socket, other sockets, and other host paths."""


def found(resource: Resource) -> list[str]:
    """Return the problems that the rules find in a resource."""
    return list(problems(resource, SETTINGS))


@pytest.mark.parametrize(
    ("props", "says"),
    [
        ({"memory": None}, "memory limit"), ({"memory": 0}, "memory limit"), ({"memorySwap": -1}, "swap"),
        ({"memory": "a lot"}, "memory limit"), ({"memorySwap": None}, "swap"), ({"cpus": ""}, "CPU"),
        ({"cpus": "0"}, "CPU"), ({"cpus": None}, "CPU"), ({"cpus": "inf"}, "CPU"), ({"cpus": "nan"}, "CPU"),
        ({"image": "redis"}, "fixed tag"), ({"image": "redis:latest"}, "fixed tag"),
        ({"image": "localhost:5000/redis"}, "fixed tag"), ({"ports": [{"internal": 6379}]}, "publishes ports"),
        ({"ports": UNKNOWN}, "publishes ports"), ({"publishAllPorts": True}, "publishAllPorts"),
        ({"publishAllPorts": UNKNOWN}, "publishAllPorts"), ({"privileged": True}, "privileged"),
    ],
)  # fmt: skip
def test_container_that_breaks_a_rule_is_refused(props: dict[str, Any], says: str) -> None:
    (problem,) = found(container(**props))
    assert problem.startswith("redis ") and says in problem


@pytest.mark.parametrize("path", HOST_PATHS)
def test_mount_of_a_host_path_is_refused(path: str) -> None:
    for props in (
        {"volumes": [{"hostPath": path, "containerPath": "/data"}]},
        {"volumes": [{"volumeName": path, "containerPath": "/data"}]},
        {"volumes": [{"volumeName": "data", "hostPath": path, "containerPath": "/data"}]},
        {"mounts": [{"type": "bind", "source": path, "target": "/data"}]},
        {"mounts": [{"type": "volume", "source": path, "target": "/data"}]},
        {"mounts": [{"source": path, "target": "/data"}]},
    ):
        assert found(container(**props)), props
    for own in (
        {"driverOpts": {"type": "none", "o": "bind", "device": path}},
        {"driver": "local", "driverOpts": {"device": path}},
        {"name": path},
    ):
        assert found(Resource(VOLUME, "data", own)), own


@pytest.mark.parametrize(
    "props",
    [
        {"volumes": [{"volumeName": "../run", "containerPath": "/data"}]},
        {"volumes": [{"volumeName": "..", "containerPath": "/data"}]},
        {"volumes": [{"volumeName": "run/docker.sock", "containerPath": "/data"}]},
        {"volumes": [{"volumeName": "/run/docker.sock:/data", "containerPath": "/more"}]},
        {"volumes": [{"volumeName": "data\n", "containerPath": "/data"}]},
        {"volumes": [{"containerPath": "/run/docker.sock:/data"}]},
        {"volumes": [{"fromContainer": "traefik"}]},
        {"volumes": [{"volumeName": "data", "containerPath": "/data", "selinuxRelabel": "z"}]},
        {"volumes": [{"hostPath": UNKNOWN, "containerPath": "/data"}]},
        {"volumes": [UNKNOWN]},
        {"volumes": UNKNOWN},
        {"volumes": "/:/host"},
        {"mounts": UNKNOWN},
        {"mounts": [{"type": UNKNOWN, "source": "data", "target": "/data"}]},
        {"mounts": [{"type": "cluster", "source": "data", "target": "/data"}]},
        {"mounts": [{"type": "npipe", "source": "data", "target": "/data"}]},
        {"mounts": [{"type": "volume", "target": "/data", "volumeOptions": {"driverName": "local"}}]},
        {"mounts": [{"type": "volume", "target": "/d", "volumeOptions": {"driverOptions": {"device": "/"}}}]},
        {"mounts": [{"type": "volume", "target": "/d", "volumeOptions": {"subpath": "../.."}}]},
        {"mounts": [{"type": "volume", "target": "/d", "bindOptions": {"propagation": "rshared"}}]},
        {"uploads": [{"file": "/key", "source": "/root/.ssh/id_ed25519"}]},
    ],
)
def test_mount_or_upload_that_may_give_access_to_host_files_is_refused(props: dict[str, Any]) -> None:
    assert len(found(container(**props))) == 1


@pytest.mark.parametrize(
    "props",
    [
        {"capabilities": {"adds": ["SYS_ADMIN"]}}, {"capabilities": {"adds": ["NET_BIND_SERVICE"], "drops": ["ALL"]}},
        {"capabilities": UNKNOWN}, {"capabilities": {"adds": UNKNOWN}},
        {"networkMode": "host"}, {"networkMode": "container:traefik"}, {"networkMode": "ns:/proc/1/ns/net"},
        {"networkMode": "freelancer-data-stack-prod"}, {"networkMode": UNKNOWN},
        {"networksAdvanced": [{"name": "host"}]}, {"networksAdvanced": [{"name": "container:traefik"}]},
        {"networksAdvanced": [{"name": "prod", "driverOpts": ["com.docker.network.bridge.name=eth0"]}]},
        {"networksAdvanced": UNKNOWN},
        {"ipcMode": "host"}, {"ipcMode": "container:traefik"}, {"ipcMode": "shareable"}, {"cgroupnsMode": "host"},
        {"runtime": "nvidia"}, {"logDriver": "syslog"}, {"logDriver": "gelf"},
        {"logOpts": {"syslog-address": "unix:///run/docker.sock"}},
        {"securityOpts": ["seccomp=unconfined"]}, {"securityOpts": ["seccomp:unconfined"]},
        {"securityOpts": ["apparmor=unconfined"]}, {"securityOpts": ["label=disable"]},
        {"securityOpts": ["systempaths=unconfined"]}, {"securityOpts": ["no-new-privileges:false"]},
        {"securityOpts": ["no-new-privileges:true", UNKNOWN]}, {"securityOpts": UNKNOWN},
        {"inputOfALaterVersion": True}, {"inputOfALaterVersion": UNKNOWN},
    ],
)  # fmt: skip
def test_container_input_with_a_value_that_is_not_allowed_is_refused(props: dict[str, Any]) -> None:
    (problem,) = found(container(**props))
    assert problem.startswith(f"redis sets {next(iter(props))}")


NOT_ALLOWED: dict[str, Any] = {
    "cgroupParent": "/", "cpuPeriod": 1, "cpuQuota": 1, "deviceCgroupRules": ["a *:* rwm"],
    "deviceReadBps": [{"path": "/dev/sda"}], "deviceReadIops": [{"path": "/dev/sda"}],
    "deviceRequests": [{"count": -1}], "deviceWriteBps": [{"path": "/dev/sda"}],
    "deviceWriteIops": [{"path": "/dev/sda"}], "devices": [{"hostPath": "/dev/sda"}], "gpus": "all",
    "groupAdds": ["docker"], "pidMode": "host", "privileged": True, "publishAllPorts": True,
    "storageOpts": {"size": "1T"}, "sysctls": {"kernel.core_pattern": "|/x"},
    "usernsMode": "host",
}  # fmt: skip


def test_every_container_input_of_the_provider_is_checked_or_refused() -> None:
    """This test fails if a new version of the provider adds an input that no rule covers."""
    own = {name for name, value in vars(docker.ContainerArgs).items() if isinstance(value, property)}
    inputs = {re.sub(r"_(\w)", lambda match: match[1].upper(), name) for name in own}
    assert inputs - CONTAINER_INPUTS.keys() == NOT_ALLOWED.keys()
    assert CONTAINER_INPUTS.keys() <= inputs
    for name, value in NOT_ALLOWED.items():
        for given in (value, UNKNOWN):
            assert found(container(**{name: given})) == [f"redis sets {name}, which is not allowed"]


def test_ulimits_and_network_options_that_are_not_allowed_are_refused() -> None:
    for name in ("nofile", "memlock", "rtprio"):
        assert found(container(ulimits=[{"name": name, "hard": 1, "soft": 1}]))
    for options in ({"com.docker.network.bridge.enable_icc": "true"}, {"com.docker.network.bridge.name": "docker0"}):
        assert found(Resource(NETWORK, "network", {"name": "own", "driver": "bridge", "options": options}))


def test_docker_resources_with_only_allowed_inputs_pass() -> None:
    for good in (
        container(),
        container(ulimits=[{"name": "nproc", "hard": 512, "soft": 512}]),
        Resource(NETWORK, "n", {"name": "own", "options": {"com.docker.network.bridge.enable_icc": "false"}}),
        container(privileged=False, capabilities={"adds": [], "drops": ["ALL"]}, pidMode="", devices=[], sysctls={}),
        container(image="sha256:" + "0" * 64, volumes=[{"volumeName": "data", "containerPath": "/data"}]),
        container(image=UNKNOWN, memory=UNKNOWN, memorySwap=UNKNOWN, cpus=UNKNOWN),
        container(volumes=[{"volumeName": UNKNOWN, "containerPath": "/data", "hostPath": ""}]),
        container(networksAdvanced=[{"name": UNKNOWN, "aliases": ["redis"]}], networkMode="bridge"),
        container(mounts=[{"type": "tmpfs", "target": "/tmp", "tmpfsOptions": {"sizeBytes": 1}}], networkMode="none"),
        container(mounts=[{"type": "volume", "source": "data", "target": "/data", "readOnly": True}]),
        container(ipcMode="private", runtime="runc", cgroupnsMode="private", securityOpts=["no-new-privileges:true"]),
        Resource(IMAGE, "image", {"name": "redis:7", "keepLocally": True}),
        Resource(IMAGE, "image", {"name": "own:1", "build": {"context": ".", "dockerfile": "Dockerfile"}}),
        Resource(NETWORK, "network", {"name": "own", "driver": "bridge", "internal": True, "ipamDriver": "default"}),
        Resource(VOLUME, "volume", {"name": "own", "driver": "local", "labels": [{"label": "a", "value": "b"}]}),
    ):
        assert found(good) == []


@pytest.mark.parametrize(
    ("kind", "props"),
    [
        (IMAGE, {"name": "redis"}),
        (IMAGE, {"name": "own:1", "build": {"context": ".", "networkMode": "host"}}),
        (IMAGE, {"name": "own:1", "build": {"context": ".", "securityOpts": ["seccomp=unconfined"]}}),
        (IMAGE, {"name": "own:1", "build": {"context": ".", "cgroupParent": "/"}}),
        (IMAGE, {"name": "own:1", "build": UNKNOWN}),
        (VOLUME, {"name": "own", "driver": "nfs"}),
        (VOLUME, {"name": "own", "driver": UNKNOWN}),
        (VOLUME, {"name": "own", "driverOpts": {"type": "nfs"}}),
        (VOLUME, {"name": "own", "driverOpts": UNKNOWN}),
        (VOLUME, {"name": "own", "cluster": {"scope": "single"}}),
        (NETWORK, {"name": "own", "driver": "host"}),
        (NETWORK, {"name": "own", "driver": "macvlan"}),
        (NETWORK, {"name": "own", "driver": "overlay"}),
        (NETWORK, {"name": "own", "attachable": True}),
        (NETWORK, {"name": "own", "ingress": True}),
        (NETWORK, {"name": "own", "options": {"com.docker.network.bridge.name": "eth0"}}),
        (NETWORK, {"name": "host"}),
        ("docker:index/service:Service", {}),
        ("docker:index/serviceConfig:ServiceConfig", {}),
        ("docker:index/secret:Secret", {}),
        ("docker:index/plugin:Plugin", {}),
        ("docker:index/image:Image", {"imageName": "own:1"}),
        ("docker:index/buildxBuilder:BuildxBuilder", {}),
        ("docker:index/container:Containers", {}),
    ],
)
def test_docker_resources_that_break_a_rule_are_refused(kind: str, props: dict[str, Any]) -> None:
    (problem,) = found(Resource(kind, "thing", props))
    assert problem.startswith("thing ")


def rule(port: Any = "443", sources: Any = ANYWHERE, **more: Any) -> dict[str, Any]:
    """Return an inbound TCP rule of a firewall; by default, it opens port 443 to every address."""
    return {"direction": "in", "protocol": "tcp", "port": port, "sourceIps": sources, **more}


def firewall(*rules: Any) -> Resource:
    """Return a firewall with these rules."""
    return hcloud("Firewall", rules=list(rules))


def test_firewall_of_the_stack_passes() -> None:
    assert found(firewall(rule("80"), rule("443"), rule(443.0), rule("22", ["192.0.2.0/24"]))) == []
    assert found(firewall(rule("22", ["192.0.2.7", "192.0.2.128/25"]))) == []
    assert list(problems(firewall(rule("22")), kit.settings())) == [], "no setting restricts the SSH sources"


@pytest.mark.parametrize(
    "bad",
    [
        rule("5432"), rule("1-65535"), rule("80-443"), rule("any"), rule(""), rule(None), rule(UNKNOWN), rule(2375),
        rule("22"), rule("22", ["192.0.2.0/23"]), rule("22", ["198.51.100.1"]), rule(22.0, ["::/0"]), rule("22", []),
        rule("22", UNKNOWN), rule("22", ["192.0.2.1", UNKNOWN]), rule("443", protocol="udp"),
        rule("443", protocol="icmp"), rule("443", direction="out"), rule("443", direction=UNKNOWN),
        rule("443", destinationIps=["10.0.0.1"]), UNKNOWN,
    ],
)  # fmt: skip
def test_firewall_rule_that_the_stack_does_not_need_is_refused(bad: Any) -> None:
    assert found(firewall(rule("80"), bad))


def test_firewall_with_rules_that_the_preview_does_not_know_is_refused() -> None:
    assert len(found(hcloud("Firewall", rules=UNKNOWN))) == 1


def test_server_without_a_firewall_is_refused() -> None:
    server = {"serverType": "cpx22", "location": "fsn1"}
    assert "every port is open" in found(hcloud("Server", **server))[0]
    assert "every port is open" in found(hcloud("Server", **server, firewallIds=[]))[0]
    for ids in ([7], [UNKNOWN], UNKNOWN):
        assert found(hcloud("Server", **server, firewallIds=ids)) == []


def test_load_balancer_may_listen_and_forward_only_on_the_ports_of_the_proxy() -> None:
    assert found(hcloud("LoadBalancerService", protocol="https")) == []
    assert found(hcloud("LoadBalancerService", protocol="tcp", listenPort=443, destinationPort=443)) == []
    for ports in ({"listenPort": 2222}, {"listenPort": 443, "destinationPort": 22}, {"destinationPort": UNKNOWN}):
        assert len(found(hcloud("LoadBalancerService", protocol="tcp", **ports))) == 1


@pytest.mark.parametrize(
    ("props", "says"),
    [
        ({}, []),
        ({"token": "t" * 64, "endpoint": "https://api.example/v1/", "pollInterval": "1s"}, []),
        ({"token": "o" * 64}, ["provider has another token than the stack, whose account the plan uses"]),
        ({"token": UNKNOWN}, ["provider has another token than the stack, whose account the plan uses"]),
        ({"endpoint": "https://other.example/v1"}, ["provider has another endpoint than the stack, whose account"]),
    ],
    ids=["neither", "same", "token", "unknown token", "endpoint"],
)
def test_provider_with_another_token_or_endpoint_than_the_stack_is_refused(
    monkeypatch: pytest.MonkeyPatch, props: dict[str, Any], says: list[str]
) -> None:
    monkeypatch.setattr(token, "_cached", {SETTINGS.stack: "t" * 64})
    monkeypatch.setenv("HCLOUD_ENDPOINT", "https://api.example/v1")
    told = found(Resource("pulumi:providers:hcloud", "provider", props))
    assert len(told) == len(says) and all(one.startswith(start) for one, start in zip(told, says, strict=True))

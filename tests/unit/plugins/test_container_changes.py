"""Test which changed inputs make the stand-in provider replace or update a container, as the official one does."""

from __future__ import annotations

from typing import Any

import pytest
from pulumi.runtime.proto import provider_pb2

from fds_offline.plugins.docker.package import PACKAGE
from fds_offline.plugins.provider import StandIn
from fds_offline.plugins.values import plain_map, wrapped_map

URN = "urn:pulumi:dev::project::my:component:Stack$docker:index/container:Container::web"
BASE: dict[str, Any] = {
    "name": "web",
    "image": "sha256:1",
    "memory": 32,
    "memorySwap": 64,
    "envs": ["A=1"],
    "networksAdvanced": [{"name": "net", "aliases": ["b", "a"]}],
    "ports": [{"internal": 80, "external": 8080}],
    "healthcheck": {"tests": ["CMD", "true"]},
    "uploads": [{"file": "/a", "content": "a"}],
}
REPLACING: list[dict[str, Any]] = [
    {"image": "sha256:2"},
    {"name": "other"},
    {"envs": ["A=2"]},
    {"command": ["sleep"]},
    {"entrypoints": ["sh"]},
    {"hostname": "h"},
    {"user": "1"},
    {"workingDir": "/a"},
    {"readOnly": True},
    {"cpus": "0.5"},
    {"shmSize": 32},
    {"logDriver": "local"},
    {"logOpts": {"max-size": "2m"}},
    {"networkMode": "none"},
    {"networksAdvanced": [{"name": "other"}]},
    {"networksAdvanced": []},
    {"ports": [{"internal": 80, "external": 8081}]},
    {"volumes": [{"volumeName": "v", "containerPath": "/v"}]},
    {"mounts": [{"type": "volume", "target": "/v", "source": "v"}]},
    {"capabilities": {"drops": ["ALL"]}},
    {"securityOpts": ["no-new-privileges:true"]},
    {"groupAdds": ["10"]},
    {"ulimits": [{"name": "nofile", "soft": 1, "hard": 2}]},
    {"hosts": [{"host": "a", "ip": "10.0.0.1"}]},
    {"dns": ["10.0.0.1"]},
    {"labels": [{"label": "a", "value": "b"}]},
    {"privileged": True},
    {"tty": True},
    {"stopSignal": "SIGINT"},
    {"stopTimeout": 3},
    {"uploads": [{"file": "/a", "content": "b"}]},
]
IN_PLACE: list[dict[str, Any]] = [
    {"memory": 40},
    {"memorySwap": 128},
    {"memoryReservation": 20},
    {"restart": "always"},
    {"maxRetryCount": 3},
    {"cpuShares": 256},
    {"cpuSet": "0-1"},
    {"healthcheck": {"tests": ["CMD", "false"]}},
    {"init": True},
    {"tmpfs": {"/t": "rw"}},
    {"waitTimeout": 31},
    {"mustRun": False},
    {"destroyGraceSeconds": 1},
    {"rm": True},
]
NOTHING: list[dict[str, Any]] = [
    {},
    {"networksAdvanced": [{"name": "net", "aliases": ["a", "b"]}]},
    {"ports": [{"internal": 80, "external": 8080, "ip": "0.0.0.0", "protocol": "tcp"}]},
    {"user": ""},
    {"command": []},
    {"memory": "32"},
]


def diff(change: dict[str, Any]) -> Any:
    provider = StandIn(PACKAGE)

    def check(inputs: dict[str, Any]) -> Any:
        answer = provider.Check(provider_pb2.CheckRequest(urn=URN, news=wrapped_map(inputs)), None)
        assert not answer.failures
        return answer.inputs

    state, inputs = check(BASE), check({**BASE, **change})
    assert plain_map(inputs)["removeVolumes"] is True
    return provider.Diff(provider_pb2.DiffRequest(urn=URN, olds=state, news=inputs), None)


@pytest.mark.parametrize("change", REPLACING, ids=str)
def test_change_replaces_the_container_as_in_the_official_provider(change: dict[str, Any]) -> None:
    found = diff(change)
    assert list(found.replaces) == list(change)
    assert found.deleteBeforeReplace


@pytest.mark.parametrize("change", IN_PLACE, ids=str)
def test_change_updates_the_container_in_place_as_in_the_official_provider(change: dict[str, Any]) -> None:
    found = diff(change)
    assert not found.replaces
    assert list(found.diffs) == list(change)


@pytest.mark.parametrize("change", NOTHING, ids=str)
def test_equivalent_inputs_are_not_a_change(change: dict[str, Any]) -> None:
    assert diff(change).changes == provider_pb2.DiffResponse.DIFF_NONE

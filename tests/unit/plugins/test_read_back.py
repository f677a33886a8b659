"""Test that health checks and CPU limits are read back from Docker in the words in which the program writes them.

Otherwise, the official plugin would replace the containers in every deployment.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from fds_offline.plugins.docker.container_config import container_config
from fds_offline.plugins.docker.container_fields import CONTAINER_FIELDS
from fds_offline.plugins.docker.container_state import _cpus, _duration, _healthcheck
from fds_offline.plugins.fields import checked
from infra.component.containers import cores, duration
from infra.cost.sources.saved import SHIPPED
from infra.services import Service, catalogue
from tests.kit.registered import registered

PROGRAMS: list[dict[str, Any]] = [
    {"host": "local"},
    *({"host": "local", "profiles": ["full"], "executor": executor} for executor in ("celery", "local")),
]
"""Settings of programs that together have all services of the catalogue."""


@cache
def containers() -> dict[str, dict[str, Any]]:
    """Return the inputs of all containers by the name of their service."""
    found = [each for settings in PROGRAMS for each in registered(settings, FDS_PRICES_DIR=str(SHIPPED))]
    return {
        each.name.removeprefix("prod-"): dict(each.inputs)
        for each in found
        if each.kind == "docker:index/container:Container"
    }


def sent(**inputs: Any) -> dict[str, Any]:
    """Return the request that creates a container with these inputs."""
    given, failures = checked(CONTAINER_FIELDS, {"image": "i", **inputs}, {}, "c", b"")
    assert not failures
    return container_config(given)


@pytest.mark.parametrize("service", catalogue(), ids=lambda service: service.name)
def test_health_check_and_cpu_limit_of_a_service_are_read_back_unchanged(service: Service) -> None:
    inputs = containers()[service.name]
    request = sent(healthcheck=inputs["healthcheck"], cpus=inputs["cpus"])
    assert _healthcheck(request["Healthcheck"]) == inputs["healthcheck"]
    assert _cpus(request["HostConfig"]["NanoCpus"]) == inputs["cpus"]
    assert float(inputs["cpus"]) == service.resources.cpu_limit


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (0.5, "500ms"), (0.0000015, "1.5µs"), (7e-9, "7ns"), (59, "59s"), (60, "1m0s"), (90, "1m30s"),
     (1.25, "1.25s"), (600, "10m0s"), (3600, "1h0m0s"), (86_461.5, "24h1m1.5s")],
)  # fmt: skip
def test_duration_is_formatted_as_in_go(seconds: float, text: str) -> None:
    assert _duration(round(seconds * 10**9)) == text
    if isinstance(seconds, int):
        assert duration(seconds) == text


@pytest.mark.parametrize("interval", ["60s", "0.5s", "1h", "90000ms"])
def test_duration_that_is_not_written_as_in_go_is_read_back_as_a_change(interval: str) -> None:
    request = sent(healthcheck={"tests": ["CMD", "true"], "interval": interval, "startInterval": interval})
    state = _healthcheck(request["Healthcheck"])
    assert state is not None and state["interval"] == state["startInterval"] != interval


@pytest.mark.parametrize("limit", [0.1, 0.25, 0.3, 1, 1.05, 9.99, 10, 10.05, 10.5, 20, 64, 100])
def test_cpu_limit_is_read_back_unchanged(limit: float) -> None:
    assert _cpus(sent(cpus=cores(limit))["HostConfig"]["NanoCpus"]) == cores(limit)
    assert abs(float(cores(limit)) - limit) <= 0.051

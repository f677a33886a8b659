"""Test the memory and CPU metrics of the containers on a server.

A timer starts a program that writes the metrics. Prometheus reads them, and high memory use causes an alert.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import pytest

from infra.hosts import container_metrics as program
from infra.services import _container_metrics as promql
from infra.services import selected
from infra.settings import Settings
from stack_runtime.labels import of_service
from tests.integration.monitoring.monitored import within
from tests.integration.ssh.conftest import PRICE, STACK, OwnServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

PROFILES = ["monitoring"]
TIMER = program.TIMER.name
HUNGRY_MB, HELD_MB = 128, 117
"""Memory limit of the container that the function `hungry` runs, and memory that its process allocates, in MiB."""
FIRST_S = 120
"""Maximum seconds until the timer has run twice and Prometheus has scraped twice, even on a busy machine."""


def running(server: OwnServer, service: str) -> str:
    return server.console("docker", "ps", "--quiet", "--filter", f"label=fds.service={service}").strip()


def query(server: OwnServer, expression: str) -> dict[str, float]:
    """Evaluate an expression in Prometheus, and return its value for each service."""
    name = running(server, "prometheus")
    request = f'wget -q -O - "http://$HOSTNAME:9090/api/v1/query?query={quote(expression)}"'
    answer: Any = json.loads(server.console("docker", "exec", name, "sh", "-c", request))
    return {one["metric"].get("service", ""): float(one["value"][1]) for one in answer["data"]["result"]}


def alerts(server: OwnServer) -> set[tuple[str, str]]:
    """Return name and service of each alert that is pending or firing."""
    name = running(server, "prometheus")
    answer = server.console("docker", "exec", name, "sh", "-c", 'wget -q -O - "http://$HOSTNAME:9090/api/v1/alerts"')
    found = json.loads(answer)["data"]["alerts"]
    return {(one["labels"]["alertname"], one["labels"]["service"]) for one in found}


@contextmanager
def hungry(server: OwnServer) -> Iterator[None]:
    """Run a container that is labelled as the service `hungry` of the stack and nearly reaches its memory limit."""
    image = server.console("docker", "inspect", "--format", "{{.Image}}", running(server, "pipeline")).strip()
    labels = [f"--label={key}={value}" for key, value in of_service(STACK, "hungry").items()]
    code = f"import time; held = b'x' * ({HELD_MB} << 20); time.sleep(3600)"
    limits = [f"--memory={HUNGRY_MB}m", f"--memory-swap={HUNGRY_MB}m"]
    words = [
        "--detach",
        "--name",
        "hungry",
        "--network=none",
        *limits,
        *labels,
        "--entrypoint=python",
        image,
        "-c",
        code,
    ]
    server.console("docker", "run", *words)
    try:
        yield
    finally:
        server.console("docker", "rm", "--force", "hungry")


@pytest.fixture(scope="module")
def measured(server: OwnServer) -> OwnServer:
    server.project.configure({"serverPrice": PRICE, "profiles": PROFILES})
    done = server.project.fds("up", "--accept-host-key", server.fingerprint())
    assert done.returncode == 0, done.stderr
    return server


def test_prometheus_has_memory_and_cpu_metrics_of_every_service(measured: OwnServer) -> None:
    names = {one.name for one in selected(Settings.of(STACK, {"host": "ssh", "profiles": PROFILES}))}
    assert within(FIRST_S, lambda: query(measured, promql.MEMORY).keys() == names), query(measured, promql.MEMORY)
    shown = {row["service"]: row for row in measured.project.json("status")["services"]}
    limits = query(measured, promql.MEMORY_LIMIT)
    for name, held in query(measured, promql.MEMORY).items():
        assert limits[name] == shown[name]["memory_limit_mb"] * 2**20
        assert 0 < held < limits[name], name
    assert within(FIRST_S, lambda: query(measured, promql.processors("[2m]")).keys() == names)
    assert all(0 <= cores < 2.1 for cores in query(measured, promql.processors("[2m]")).values())
    assert not {name for name, _ in alerts(measured)} & {"ContainersNotMeasured", "ServiceMemoryNearLimit"}


def test_containers_mount_no_socket_and_no_folder_of_the_server(measured: OwnServer) -> None:
    every = measured.console("docker", "ps", "--quiet").split()
    for item in json.loads(measured.console("docker", "inspect", *every)):
        assert {mount["Type"] for mount in item["Mounts"]} <= {"volume", "tmpfs"}, item["Name"]
    (exporter,) = json.loads(measured.console("docker", "inspect", running(measured, "node-exporter")))
    assert not any(mount["RW"] for mount in exporter["Mounts"])


def test_timer_logs_nothing_on_success_and_its_program_takes_under_one_cpu_second(measured: OwnServer) -> None:
    unit = TIMER.replace(".timer", ".service")
    assert measured.console("journalctl", "--quiet", "--unit", unit) == ""
    timed = measured.console("bash", "-c", f"TIMEFORMAT='%U %S'; time {program.PROGRAM} 2>&1")
    assert sum(map(float, timed.split())) < 1, timed


def test_service_near_its_memory_limit_causes_an_alert_until_its_container_is_gone(measured: OwnServer) -> None:
    """The alert is only pending here; the tests of the rules cover the five minutes until the alert fires."""
    alert = ("ServiceMemoryNearLimit", "hungry")
    with hungry(measured):
        assert within(FIRST_S, lambda: alert in alerts(measured)), query(measured, promql.MEMORY_SHARE)
        assert HELD_MB < query(measured, promql.MEMORY)[alert[1]] / 2**20 < HUNGRY_MB
    assert within(FIRST_S, lambda: alert not in alerts(measured))
    assert alert[1] not in query(measured, promql.MEMORY)


def test_stopped_timer_causes_an_alert_and_fds_up_starts_the_timer_again(measured: OwnServer) -> None:
    measured.console("systemctl", "disable", "--now", TIMER)
    alert = ("ContainersNotMeasured", "server")
    assert within(promql.RECENT_S + 60, lambda: alert in alerts(measured))
    assert query(measured, promql.MEMORY) == {} and query(measured, "container_spec_memory_limit_bytes")
    assert measured.project.json("up")["changed"] == 0
    assert measured.console("systemctl", "is-active", TIMER).strip() == "active"
    assert within(FIRST_S, lambda: bool(query(measured, promql.MEMORY)) and alert not in alerts(measured))


def test_second_fds_up_changes_no_resource_and_does_not_rewrite_the_files_of_the_timer(measured: OwnServer) -> None:
    files = [str(path) for path in (*program.UNITS, program.PROGRAM)]
    before = measured.console("stat", "-c", "%n %Y %i", *files)
    done = measured.project.fds("up", "--json", SSH_AUTH_SOCK="")  # hides the SSH agent that holds the owner's key
    assert done.returncode == 0 and json.loads(done.stdout)["changed"] == 0, done.stderr
    assert "measured" not in done.stderr
    assert measured.console("stat", "-c", "%n %Y %i", *files) == before


def test_fds_up_reinstalls_a_removed_program_and_a_changed_unit_of_the_timer(measured: OwnServer) -> None:
    measured.console("rm", str(program.PROGRAM))
    measured.console("sed", "-i", "s/OnCalendar=.*/OnCalendar=yearly/", str(program.TIMER))
    assert measured.project.json("up")["changed"] == 0
    assert measured.succeeds("test", "-x", str(program.PROGRAM))
    assert measured.console("cat", str(program.TIMER)) == program.UNITS[program.TIMER]


def test_fds_down_removes_the_timer_and_its_files(measured: OwnServer) -> None:
    done = measured.project.fds("down")
    assert done.returncode == 0, done.stderr
    assert not any(measured.succeeds("test", "-e", str(path)) for path in (*program.UNITS, program.PROGRAM))
    assert TIMER not in measured.console("systemctl", "list-timers", "--all")
    assert program.VOLUME not in measured.console("docker", "volume", "ls")

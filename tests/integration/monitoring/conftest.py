"""Deploy the stack once for most tests of this folder, and once with a small volume for the tests that fill it."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from fds_offline import registry
from infra.hosts import container_metrics as program
from stack_runtime.docker_host import local_docker
from stack_runtime.paths import PROJECT
from tests.integration.monitoring.monitored import PROFILES, SCHEDULE, STACK, Monitored
from tests.kit.ports import free_ports
from tests.kit.project import Project
from tests.kit.receivers import receivers

MEASURED_S = 10
"""Seconds between two measurements of the containers."""


@contextmanager
def _deployed(folder: Path, *, on_small_volume: bool) -> Iterator[Monitored]:
    """Start the receivers of alerts, deploy the stack, and remove both after the block.

    Args:
        on_small_volume: first create the volume `metrics` with only 32 MB, so that a test can fill the volume.
    """
    address = registry.bridge(local_docker())
    ports = free_ports()
    with receivers(address) as (webhook, mail):
        email = {"to": "me@example.org", "sender": "fds@example.org", "server": address, "port": mail.port}
        notify = {"webhook": True, "slack": True, "email": {**email, "requireTls": False}}
        settings = {"host": "local", "profiles": PROFILES, "schedule": SCHEDULE, "notify": notify, **ports}
        project = Project(folder, STACK, settings)
        project.make_stack()  # not after `clear`, which creates the stack itself if a killed test left containers
        project.clear()
        if on_small_volume:
            _make_small_volume()
        for name, url in (("webhook_url", webhook.url), ("slack_url", webhook.slack_url)):
            secret = project.engine("config", "set", "--secret", "--path", f"secrets.{name}", url)
            assert secret.returncode == 0, secret.stderr
        result = project.fds("up", timeout=600)
        assert result.returncode == 0, result.stderr
        with _measured_containers() as measuring:
            yield Monitored(project, ports["httpsPort"], webhook, mail, measuring)
        project.clear()


@contextmanager
def _measured_containers() -> Iterator[threading.Event]:
    """Measure the containers every few seconds, as a timer does on a server; a local deployment installs no timer.

    Returns: an event; a test clears it to stop the measurement, and sets it to continue the measurement.
    """
    ended, measuring = threading.Event(), threading.Event()
    measuring.set()

    def repeat() -> None:
        while not ended.wait(MEASURED_S):
            if measuring.is_set():
                subprocess.run([sys.executable, program.__file__], check=True)

    with ThreadPoolExecutor(1) as pool:
        repeated = pool.submit(repeat)
        try:
            yield measuring
        finally:
            ended.set()
        repeated.result()


def _make_small_volume() -> None:
    """Create the volume `metrics` on a small file system; the first deployment uses it.

    Tests must not deploy the stack again, because a second deployment would replace this volume.
    """
    client = local_docker()
    options = {"type": "tmpfs", "device": "tmpfs", "o": "size=32m"}
    client.volumes.create(f"{PROJECT}-{STACK}-metrics", driver="local", driver_opts=options)
    client.close()


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monitored]:
    with _deployed(tmp_path_factory.mktemp("monitoring"), on_small_volume=False) as found:
        yield found


@pytest.fixture(scope="module")
def small_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monitored]:
    """Deploy the stack with a volume that a test can fill; only slow tests use it, so `make test` skips it."""
    with _deployed(tmp_path_factory.mktemp("faults"), on_small_volume=True) as found:
        yield found

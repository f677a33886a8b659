"""Measure memory and CPU of a stack's services at rest and under load, as a basis for the reservations."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import docker
from docker.models.containers import Container

from stack_runtime.docker_host import containers
from stack_runtime.labels import SERVICE_LABEL
from stack_runtime.status import held_memory

INTERVAL_S = 0.5


@dataclass
class Use:
    """Resources that one service used: memory in MiB, CPU as the average number of cores."""

    idle_mb: float = 0.0
    peak_mb: float = 0.0
    cpu: float = 0.0


def watch(client: docker.DockerClient, stack: str, work: Callable[[], None], idle_s: float = 10.0) -> dict[str, Use]:
    """Sample one container of each service at rest for `idle_s` seconds, then while `work` runs.

    Returns: a `Use` for each service. `idle_mb` is the highest memory at rest, `peak_mb` the highest while `work` runs,
        and `cpu` the average while `work` runs.
    """
    found = {item.labels[SERVICE_LABEL]: item for item in containers(client, stack)}
    uses = {name: Use() for name in found}
    until = time.monotonic() + idle_s
    while time.monotonic() < until:
        for name, item in found.items():
            uses[name].idle_mb = max(uses[name].idle_mb, held_memory(item) or 0.0)
        time.sleep(INTERVAL_S)
    before, began = {name: _cpu_seconds(item) for name, item in found.items()}, time.monotonic()
    worker = threading.Thread(target=work)
    worker.start()
    while worker.is_alive():
        for name, item in found.items():
            uses[name].peak_mb = max(uses[name].peak_mb, held_memory(item) or 0.0)
        worker.join(INTERVAL_S)
    for name, item in found.items():
        uses[name].cpu = (_cpu_seconds(item) - before[name]) / (time.monotonic() - began)
    return uses


def _cpu_seconds(container: Container) -> float:
    sample = container.stats(stream=False, one_shot=True)
    return float(sample["cpu_stats"]["cpu_usage"]["total_usage"]) / 1e9 if isinstance(sample, dict) else 0.0

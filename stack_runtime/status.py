"""Collect what `fds status` shows: the services, the last pipeline run, and the usage of disks and memory."""

from __future__ import annotations

from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import docker
from docker.errors import APIError, NotFound
from docker.models.containers import Container

from stack_runtime.docker_host import call_runner, containers
from stack_runtime.errors import StackError
from stack_runtime.labels import SERVICE_LABEL, URL_LABEL

MIB = 1024 * 1024


def services(client: docker.DockerClient, stack: str, wanted: Collection[str] = ()) -> list[dict[str, Any]]:
    """Return one row per container: `{service, url, health, memory_mb, memory_limit_mb, image}`; memory in MiB.

    Args:
        wanted: names of the services that should run. If the stack has any container, each of these services without a
            container gets a row with the health `missing`.
    """
    found = containers(client, stack)
    with ThreadPoolExecutor(max_workers=8) as pool:
        rows = list(pool.map(_row, found))
    rows += [_row_of_missing(service) for service in missing(found, wanted)]
    return sorted(rows, key=lambda row: str(row["service"]))


def missing(found: Collection[Container], wanted: Collection[str]) -> list[str]:
    """Return the `wanted` services that have no container in `found`; none if the stack has no container at all."""
    return sorted(set(wanted) - {str(item.labels[SERVICE_LABEL]) for item in found}) if found else []


def _row_of_missing(service: str) -> dict[str, Any]:
    known = {"service": service, "url": "", "health": "missing"}
    return known | dict.fromkeys(("memory_mb", "memory_limit_mb", "image"))


def unhealthy(client: docker.DockerClient, stack: str) -> list[str]:
    """Return the names of the services that have a container whose health is not `healthy`."""
    return sorted({str(i.labels.get(SERVICE_LABEL)) for i in containers(client, stack) if _health(i) != "healthy"})


def _health(container: Container) -> str:
    state = container.attrs["State"]
    running = state["Status"] == "running"
    return str(state.get("Health", {}).get("Status") or "running") if running else str(state["Status"])


def _row(container: Container) -> dict[str, Any]:
    state = container.attrs["State"]
    return {
        "service": container.labels.get(SERVICE_LABEL, ""),
        "url": container.labels.get(URL_LABEL, ""),
        "health": _health(container),
        "memory_mb": held_memory(container) if state["Status"] == "running" else None,
        "memory_limit_mb": container.attrs["HostConfig"]["Memory"] / MIB,
        "image": container.attrs["Config"]["Image"],
    }


def held_memory(container: Container) -> float | None:
    """Return the container's memory in MiB without the page cache, which the kernel can reclaim.

    Returns: None if Docker has no statistics of the container.
    """
    try:
        sample = container.stats(stream=False, one_shot=True)
    except (APIError, NotFound):
        return None
    memory = sample["memory_stats"] if isinstance(sample, dict) else {}
    if "usage" not in memory:
        return None
    detail = memory.get("stats", {})
    prefix = "total_" if "total_active_file" in detail else ""  # prefix of cgroup v1 for sums over child groups
    files = detail.get(f"{prefix}active_file", 0) + detail.get(f"{prefix}inactive_file", 0)
    return float(memory["usage"] - files) / MIB


def last_run(client: docker.DockerClient, stack: str) -> dict[str, Any] | None:
    """Return the record of the last pipeline run from the runner; None if there is no record or no runner answers."""
    runs = _from_runner(client, stack, "history", "--last", "1", "--json")
    return dict(runs[0]) if runs else None


def usage(client: docker.DockerClient, stack: str) -> list[dict[str, Any]]:
    """Return the usage and growth of disks and memory of the runner's machine; an empty list if no runner answers.

    Each row is `{resource, used_bytes, size_bytes, bytes_a_day, days_until_full}`. Each pipeline run takes a sample.
    `bytes_a_day` is None until the samples span a day, or a week for memory. `days_until_full` is 0 if nothing is
    free, and None if something is free and there is no steady growth.
    """
    return _from_runner(client, stack, "usage")


def _from_runner(client: docker.DockerClient, stack: str, *verb: str) -> list[dict[str, Any]]:
    """Run `stack_runtime.pipeline` in the runner; return the JSON list that it prints, empty if no runner answers."""
    with suppress(StackError):
        return list(call_runner(client, stack, "stack_runtime.pipeline", *verb))
    return []

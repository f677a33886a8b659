"""Measure disks and memory of the runner's machine, and predict from the samples when they will be full."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from statistics import StatisticsError, correlation, linear_regression
from typing import Any

from stack_runtime.pipeline.paths import PipelinePaths

NAMES = {"data": "disk of the data", "system": "disk of the system", "memory": "memory of the machine"}
"""Measured resources, with their names in messages."""
SYSTEM = Path("/etc/hostname")
"""File on the system's disk, even in a container: Docker mounts it from its data folder, which is on this disk."""
MEMORY = Path("/proc/meminfo")
"""File that shows the memory of the whole machine, even in a container."""
WINDOW = timedelta(days=30)
"""Length of the period before the last sample; the growth is computed from the samples of this period."""
SHORTEST = {"data": timedelta(days=1), "system": timedelta(days=1), "memory": timedelta(days=7)}
"""Shortest period of samples from which growth is computed; longer for memory, because its use varies hourly."""
STEADY = 0.5
"""Minimum r² (share of the samples' variance that a straight line explains) at which growth is called steady."""
_DAY_S = 86_400


@dataclass(frozen=True)
class Sample:
    """Used bytes and size of one resource. The size of a disk does not include space that only root may use."""

    resource: str
    at: datetime
    used: int
    size: int


@dataclass(frozen=True)
class Growth:
    """The last sample of a resource, and the growth of its used bytes per day.

    The growth is None as long as it is unknown, and 0 if it is not steady.
    """

    last: Sample
    bytes_a_day: float | None

    @property
    def days_until_full(self) -> float | None:
        """Return the days until the resource is full: 0 if it is full; None if the growth is unknown or not above 0."""
        free = max(0, self.last.size - self.last.used)
        if not free:
            return 0.0
        return free / self.bytes_a_day if self.bytes_a_day and self.bytes_a_day > 0 else None

    def as_json(self) -> dict[str, Any]:
        return {
            "resource": self.last.resource,
            "used_bytes": self.last.used,
            "size_bytes": self.last.size,
            "bytes_a_day": None if self.bytes_a_day is None else round(self.bytes_a_day),
            "days_until_full": None if self.days_until_full is None else round(self.days_until_full, 1),
        }


def measure(paths: PipelinePaths, now: datetime) -> list[Sample]:
    """Return samples of the memory, the disk with the data, and the system's disk if that is a different disk.

    Raises:
        OSError: a disk or the memory cannot be read.
    """
    places = {"data": paths.root, "system": SYSTEM}
    found = {name: shutil.disk_usage(path) for name, path in places.items()}
    if paths.root.stat().st_dev == SYSTEM.stat().st_dev:
        del found["system"]
    disks = [Sample(name, now, usage.used, usage.used + usage.free) for name, usage in found.items()]
    return [*disks, _memory(now)]


def _memory(now: datetime) -> Sample:
    """Return a sample of the memory; memory that new programs can get without swapping is not counted as used."""
    kib = dict(re.findall(r"^(\w+): +(\d+) kB$", MEMORY.read_text("ascii"), re.MULTILINE))
    total, available = (int(kib[name]) * 1024 for name in ("MemTotal", "MemAvailable"))
    return Sample("memory", now, total - available, total)


def growths(samples: Iterable[Sample]) -> list[Growth]:
    """Return the last sample and the growth of each resource that has samples."""
    by_resource: dict[str, list[Sample]] = {}
    for sample in sorted(samples, key=lambda one: one.at):
        by_resource.setdefault(sample.resource, []).append(sample)
    return [Growth(found[-1], _bytes_a_day(found)) for found in by_resource.values()]


def _bytes_a_day(samples: list[Sample]) -> float | None:
    """Return the growth of one resource per day: the slope of the line that fits its samples best.

    The growth is None if the samples span too short a time, and 0 if it is not steady.

    Args:
        samples: in order of time.
    """
    last = samples[-1]
    recent = [sample for sample in samples if last.at - sample.at <= WINDOW]
    if last.at - recent[0].at < SHORTEST[last.resource]:
        return None
    days = [(sample.at - last.at).total_seconds() / _DAY_S for sample in recent]
    used = [sample.used for sample in recent]
    try:
        steady = correlation(days, used) ** 2 >= STEADY
    except StatisticsError:  # there is no correlation, because the use is the same in all samples
        return 0.0
    return linear_regression(days, used).slope if steady else 0.0

"""Measure the disks of a runner after each run, and predict from the samples when they are full."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from statistics import linear_regression
from typing import Any

from stack_runtime.pipeline.paths import PipelinePaths

SYSTEM = Path("/etc/hostname")
"""A file that Docker mounts from the disk with its own files."""
WINDOW = timedelta(days=30)
"""Only samples of this period determine the growth."""
SHORTEST = timedelta(days=1)
"""Shortest period of samples from which the growth per day is computed."""
_DAY_S = 86_400


@dataclass(frozen=True)
class DiskSample:
    """Used bytes and size of one disk; the size does not include the space that is reserved for root."""

    disk: str
    at: datetime
    used: int
    size: int


@dataclass(frozen=True)
class Growth:
    """The last sample of a disk, and the growth of its used bytes per day; None as long as the growth is unknown."""

    last: DiskSample
    bytes_a_day: float | None

    @property
    def days_until_full(self) -> float | None:
        """Return the number of days until the disk is full; None if it does not grow or its growth is unknown."""
        free = max(0, self.last.size - self.last.used)
        if not free:
            return 0.0
        return free / self.bytes_a_day if self.bytes_a_day and self.bytes_a_day > 0 else None

    def as_json(self) -> dict[str, Any]:
        return {
            "disk": self.last.disk,
            "used_bytes": self.last.used,
            "size_bytes": self.last.size,
            "bytes_a_day": None if self.bytes_a_day is None else round(self.bytes_a_day),
            "days_until_full": None if self.days_until_full is None else round(self.days_until_full, 1),
        }


def measure(paths: PipelinePaths, now: datetime) -> list[DiskSample]:
    """Return a sample of the disk with the data, and of the system's disk if it is another one.

    Raises:
        OSError: a disk cannot be read.
    """
    places = {"data": paths.root, "system": SYSTEM}
    found = {name: shutil.disk_usage(path) for name, path in places.items()}
    if paths.root.stat().st_dev == SYSTEM.stat().st_dev:
        del found["system"]
    return [DiskSample(name, now, usage.used, usage.used + usage.free) for name, usage in found.items()]


def growths(samples: Iterable[DiskSample]) -> list[Growth]:
    """Return the growth of each disk: the slope of the line that fits its samples best."""
    by_disk: dict[str, list[DiskSample]] = {}
    for sample in sorted(samples, key=lambda one: one.at):
        by_disk.setdefault(sample.disk, []).append(sample)
    return [Growth(of_disk[-1], _bytes_a_day(of_disk)) for of_disk in by_disk.values()]


def _bytes_a_day(samples: list[DiskSample]) -> float | None:
    """Return the growth of one disk; None if its samples span less than a day.

    Args:
        samples: in order of time.
    """
    last = samples[-1].at
    recent = [sample for sample in samples if last - sample.at <= WINDOW]
    if last - recent[0].at < SHORTEST:
        return None
    days = [(sample.at - last).total_seconds() / _DAY_S for sample in recent]
    return linear_regression(days, [sample.used for sample in recent]).slope

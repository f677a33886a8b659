"""Test the prediction when a disk is full."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from fds.status import _disk_line
from stack_runtime.pipeline.disks import DiskSample, growths, measure
from stack_runtime.pipeline.paths import of_runner

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
GB = 10**9
SIZE = 20 * GB


def _samples(used_by_age: dict[float, float], disk: str = "data") -> list[DiskSample]:
    """Return samples of GB in use by their age in days."""
    return [DiskSample(disk, NOW - timedelta(age), round(used * GB), SIZE) for age, used in used_by_age.items()]


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("a_day", [0.01, 0.1, 1.0])
def test_days_until_full_are_within_a_fifth_of_a_noisy_growth(a_day: float, seed: int) -> None:
    noise = random.Random(seed)
    used = {age: 5 - age * a_day + noise.uniform(-a_day, a_day) for age in range(20)}
    (growth,) = growths(_samples(used))
    assert growth.days_until_full == pytest.approx((20 - used[0]) / a_day, rel=0.2)


@pytest.mark.parametrize(
    ("used", "a_day", "days"),
    [
        ({0: 5.0}, None, None),  # a new stack
        ({0.9: 1.0, 0: 5.0}, None, None),  # less than a day
        ({2: 5.0, 0: 5.0}, 0, None),
        ({2: 6.0, 0: 5.0}, -0.5, None),
        ({2: 4.0, 0: 5.0}, 0.5, 30),
        ({40: 19.0, 2: 4.0, 0: 5.0}, 0.5, 30),  # older samples than the window do not count
        ({2: 19.0, 0: 20.0}, 0.5, 0),
        ({0: 20.0}, None, 0),
    ],
)
def test_growth_and_days_until_full_follow_the_samples_of_a_disk(
    used: dict[float, float], a_day: float | None, days: float | None
) -> None:
    (growth,) = growths(_samples(used))
    found = growth.as_json()
    assert found["bytes_a_day"] == (None if a_day is None else a_day * GB)
    assert found["days_until_full"] == days


def test_each_disk_has_its_own_growth() -> None:
    samples = [*_samples({2: 4.0, 0: 5.0}), *_samples({2: 5.0, 0: 5.0}, "system")]
    assert {one.last.disk: one.days_until_full for one in growths(samples)} == {"data": 30, "system": None}
    assert growths([]) == []


def test_this_machine_is_measured(tmp_path: Path) -> None:
    paths = of_runner(tmp_path)
    paths.root.mkdir()
    found = {one.disk: one for one in measure(paths, NOW)}
    assert 0 < found["data"].used <= found["data"].size


@pytest.mark.parametrize(
    ("a_day", "days", "text"),
    [
        (None, None, "Disk of the data: 5.0 of 20.0 GB used; its growth is known after a day with runs."),
        (-1, None, "Disk of the data: 5.0 of 20.0 GB used; it does not grow."),
        (
            0.25 * GB,
            60.0,
            "Disk of the data: 5.0 of 20.0 GB used; it grows by 0.25 GB a day and is full in 60 days (2027-01-28).",
        ),
        (1, 1e9, "Disk of the data: 5.0 of 20.0 GB used; it grows by 0.00 GB a day and is not full within 5 years."),
    ],
)
def test_status_says_when_a_disk_is_full(a_day: float | None, days: float | None, text: str) -> None:
    disk = {"disk": "data", "used_bytes": 5 * GB, "size_bytes": SIZE, "bytes_a_day": a_day, "days_until_full": days}
    assert _disk_line(disk, date(2026, 11, 29)) == text

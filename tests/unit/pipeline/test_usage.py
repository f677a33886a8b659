"""Test the prediction of the day on which a disk or the memory will be full."""

from __future__ import annotations

import os
import random
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from fds.status import _usage_line
from stack_runtime.pipeline.paths import of_runner
from stack_runtime.pipeline.usage import Sample, growths, measure

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
GB = 10**9
SIZE = 20 * GB


def _samples(used_by_age: dict[float, float], resource: str = "data") -> list[Sample]:
    """Return samples of a resource of 20 GB; `used_by_age` maps the age in days to the GB in use."""
    return [Sample(resource, NOW - timedelta(age), round(used * GB), SIZE) for age, used in used_by_age.items()]


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("a_day", [0.01, 0.1, 1.0])
def test_predicted_days_until_full_are_within_20_percent_despite_noise(a_day: float, seed: int) -> None:
    noise = random.Random(seed)
    used = {age: 5 - age * a_day + noise.uniform(-a_day, a_day) for age in range(20)}
    (growth,) = growths(_samples(used))
    assert growth.days_until_full == pytest.approx((20 - used[0]) / a_day, rel=0.2)


@pytest.mark.parametrize(
    ("used", "a_day", "days"),
    [
        ({0: 5.0}, None, None),  # a single sample
        ({0.9: 1.0, 0: 5.0}, None, None),  # samples that cover less than a day
        ({2: 5.0, 0: 5.0}, 0, None),
        ({2: 6.0, 0: 5.0}, -0.5, None),
        ({2: 4.0, 0: 5.0}, 0.5, 30),
        ({40: 19.0, 2: 4.0, 0: 5.0}, 0.5, 30),  # samples that are too old do not count
        ({2: 19.0, 0: 20.0}, 0.5, 0),
        ({0: 20.0}, None, 0),
        ({3: 4.0, 2: 6.0, 1: 4.0, 0: 6.0}, 0, None),  # up and down without steady growth
    ],
)
def test_growth_and_days_until_full_are_computed_from_the_samples(
    used: dict[float, float], a_day: float | None, days: float | None
) -> None:
    (growth,) = growths(_samples(used))
    found = growth.as_json()
    assert found["bytes_a_day"] == (None if a_day is None else a_day * GB)
    assert found["days_until_full"] == days


def test_growth_is_computed_for_each_resource() -> None:
    used = {"data": {2: 4.0, 0: 5.0}, "system": {2: 5.0, 0: 5.0}, "memory": {8: 1.0, 0: 5.0}}
    samples = [sample for resource, by_age in used.items() for sample in _samples(by_age, resource)]
    days = {one.last.resource: one.days_until_full for one in growths(samples)}
    assert days == {"data": 30, "system": None, "memory": 30}
    assert growths([]) == []


def test_disk_and_memory_of_this_machine_are_measured(tmp_path: Path) -> None:
    paths = of_runner(tmp_path)
    paths.root.mkdir()
    found = {one.resource: one for one in measure(paths, NOW)}
    assert {"data", "memory"} <= found.keys()
    assert all(0 < one.used <= one.size for one in found.values())
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert found["memory"].size == pytest.approx(physical, rel=0.01)


@pytest.mark.parametrize(
    ("a_day", "days", "text"),
    [
        (None, None, "Disk of the data: 5.0 of 20.0 GB used; its growth is known after 24 hours with runs."),
        (-1, None, "Disk of the data: 5.0 of 20.0 GB used; it does not grow steadily."),
        (
            0.25 * GB,
            60.0,
            "Disk of the data: 5.0 of 20.0 GB used; it grows by 0.25 GB a day and is full in 60 days (2027-01-28).",
        ),
        (1, 1e9, "Disk of the data: 5.0 of 20.0 GB used; it grows by 0.00 GB a day and is not full within 5 years."),
    ],
)
def test_line_of_fds_status_about_a_disk_says_what_is_known_about_its_growth(
    a_day: float | None, days: float | None, text: str
) -> None:
    measured = {
        "resource": "data",
        "used_bytes": 5 * GB,
        "size_bytes": SIZE,
        "bytes_a_day": a_day,
        "days_until_full": days,
    }
    assert _usage_line(measured, date(2026, 11, 29)) == text


def test_growth_of_memory_is_unknown_until_the_samples_cover_a_week() -> None:
    (growth,) = growths(_samples({6.9: 4.0, 3: 4.5, 0: 5.0}, "memory"))
    assert growth.bytes_a_day is None
    text = "Memory of the machine: 5.0 of 20.0 GB used; its growth is known after 168 hours with runs."
    assert _usage_line(growth.as_json(), date(2026, 11, 29)) == text


@pytest.mark.parametrize("seed", range(20))
def test_memory_that_varies_without_growth_is_never_predicted_to_be_full(seed: int) -> None:
    noise = random.Random(seed)
    (growth,) = growths(_samples({age / 24: 5 + noise.uniform(-1, 1) for age in range(24 * 8)}, "memory"))
    assert growth.bytes_a_day == 0 and growth.days_until_full is None

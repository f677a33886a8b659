"""Test which memory reservations `advise` proposes for measured peaks, and how long samples are kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from agents.advice import MIN_SAMPLES, RETENTION, add_sample, advise, used_memory
from infra.services import selected
from infra.settings import Settings

SETTINGS = Settings.of("dev", {"services": {"postgres": {"memoryMb": 256}}})
NOW = datetime(2026, 10, 8, tzinfo=UTC)
OTHERS = {service.name: 0.8 * service.resources.memory_mb for service in selected(SETTINGS)}


def _advised(*peaks: float) -> dict[str, int] | None:
    request = advise(SETTINGS, [{**OTHERS, "postgres": peak} for peak in peaks])
    return request.memory_mb if request else None


def test_advice_lowers_the_reservation_after_low_peaks_and_raises_it_after_a_high_peak() -> None:
    assert _advised(*[60.0] * MIN_SAMPLES, 80.0) == {"postgres": 112}
    assert _advised(*[60.0] * MIN_SAMPLES, 250.0) == {"postgres": 320}


def test_no_advice_for_a_fitting_reservation_too_few_samples_or_an_unknown_service() -> None:
    assert _advised(*[200.0] * MIN_SAMPLES) is None
    assert _advised(*[10.0] * (MIN_SAMPLES - 1)) is None
    assert advise(SETTINGS, [{"stranger": 1.0}] * MIN_SAMPLES) is None


def test_memory_samples_are_kept_for_a_week(tmp_path: Path) -> None:
    for days in range(10):
        kept = add_sample(tmp_path, "dev", {"postgres": float(days)}, NOW + timedelta(days=days))
    assert [sample["postgres"] for sample in kept] == [3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0][-RETENTION.days :]


def test_container_that_uses_the_most_memory_counts_for_a_service_with_several() -> None:
    rows = [("worker", 600.0), ("worker", 340.0), ("worker", None), ("redis", None), ("postgres", 80.0)]
    used = used_memory({"service": service, "memory_mb": size} for service, size in rows)
    assert used == {"worker": 600.0, "postgres": 80.0}

"""Advice follows measured peaks both ways, and leaves alone what is well."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from agents.advice import KEPT, LEAST_SAMPLES, advise, remember
from infra.services import selected
from infra.settings import Settings

SETTINGS = Settings.of("dev", {"services": {"postgres": {"memoryMb": 256}}})
NOW = datetime(2026, 10, 8, tzinfo=UTC)
OTHERS = {service.name: 0.8 * service.resources.memory_mb for service in selected(SETTINGS)}


def _advised(*peaks: float) -> dict[str, int] | None:
    request = advise(SETTINGS, [{**OTHERS, "postgres": peak} for peak in peaks])
    return request.memory_mb if request else None


def test_follows_the_peak_up_and_down() -> None:
    assert _advised(*[60.0] * LEAST_SAMPLES, 80.0) == {"postgres": 112}
    assert _advised(*[60.0] * LEAST_SAMPLES, 250.0) == {"postgres": 320}


def test_leaves_alone_what_is_well_or_little_known() -> None:
    assert _advised(*[200.0] * LEAST_SAMPLES) is None
    assert _advised(*[10.0] * (LEAST_SAMPLES - 1)) is None
    assert advise(SETTINGS, [{"stranger": 1.0}] * LEAST_SAMPLES) is None


def test_remembers_a_week(tmp_path: Path) -> None:
    for days in range(10):
        kept = remember(tmp_path, "dev", {"postgres": float(days)}, NOW + timedelta(days=days))
    assert [sample["postgres"] for sample in kept] == [3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0][-KEPT.days :]

"""Right-sizing from measurements, without a model: what services really use becomes a proposal, never a change."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from agents.request import ScalingRequest
from infra.services import selected
from infra.settings import Settings

KEPT = timedelta(days=7)
LEAST_SAMPLES = 12
"""Fewer measurements than this say nothing."""
HEADROOM = 1.25
SHRINK_BELOW, GROW_ABOVE = 0.6, 0.95
"""Parts of a reservation: what peaks between them is left alone, so that advice does not swing."""
STEP_MB = 16


def remember(folder: Path, stack: str, used_mb: Mapping[str, float], now: datetime) -> list[dict[str, float]]:
    """Add one measurement of memory in MiB by service.

    Returns: the measurements of the last `KEPT`, this one included.
    """
    file = folder / f"usage-{stack}.jsonl"
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    kept = [line for line in lines if _moment(line) > now - KEPT]
    kept.append(json.dumps({"at": now.isoformat(), "used_mb": dict(used_mb)}))
    temporary = file.with_suffix(".tmp")
    temporary.write_text("\n".join(kept) + "\n", encoding="utf-8")
    temporary.replace(file)
    return [json.loads(line)["used_mb"] for line in kept]


def advise(settings: Settings, samples: Sequence[Mapping[str, float]]) -> ScalingRequest | None:
    """What to ask for, so that reservations follow the peaks; None when all is well or too little is known."""
    wanted: dict[str, int] = {}
    for service in selected(settings):
        seen = [sample[service.name] for sample in samples if service.name in sample]
        reserved = service.resources.memory_mb
        if len(seen) >= LEAST_SAMPLES and not SHRINK_BELOW * reserved <= max(seen) <= GROW_ABOVE * reserved:
            wanted[service.name] = max(STEP_MB, -(-int(max(seen) * HEADROOM) // STEP_MB) * STEP_MB)
    wanted = {name: size for name, size in wanted.items() if size != _reserved(settings)[name]}
    if not wanted:
        return None
    return ScalingRequest(reason=f"peaks of {len(samples)} measurements in {KEPT.days} days", memory_mb=wanted)


def _reserved(settings: Settings) -> dict[str, int]:
    return {service.name: service.resources.memory_mb for service in selected(settings)}


def _moment(line: str) -> datetime:
    return datetime.fromisoformat(json.loads(line)["at"])

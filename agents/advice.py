"""Propose memory reservations from measurements, without a language model. No proposal is applied automatically."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from agents.changes.request import ScalingRequest
from infra.services import selected
from infra.settings import Settings
from stack_runtime.files import write_atomically

RETENTION = timedelta(days=7)
MIN_SAMPLES = 12
"""Minimum number of measurements of a service before a change of its reservation is proposed."""
HEADROOM = 1.25
SHRINK_BELOW, GROW_ABOVE = 0.6, 0.95
"""Fractions of a reservation. If the measured peak is between them, no change is proposed.

Without this range, each small change of the peak would lead to a new proposal.
"""
STEP_MB = 16


def used_memory(rows: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Return the used memory in MiB by service, from the rows of `stack_runtime.status.services`.

    If a service has several containers, the one that uses the most memory counts, because all have one reservation.
    """
    used: dict[str, float] = {}
    for row in rows:
        if row["memory_mb"] is not None:
            used[row["service"]] = max(used.get(row["service"], 0.0), row["memory_mb"])
    return used


def add_sample(folder: Path, stack: str, used_mb: Mapping[str, float], now: datetime) -> list[dict[str, float]]:
    """Append one measurement (the used memory in MiB by service) and delete measurements older than `RETENTION`.

    Returns: the stored measurements, including the new measurement.
    """
    file = folder / f"usage-{stack}.jsonl"
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    kept = [line for line in lines if _time_of(line) > now - RETENTION]
    kept.append(json.dumps({"at": now.isoformat(), "used_mb": dict(used_mb)}))
    write_atomically(file, "\n".join(kept) + "\n")
    return [json.loads(line)["used_mb"] for line in kept]


def advise(settings: Settings, samples: Sequence[Mapping[str, float]]) -> ScalingRequest | None:
    """Return a request that adapts reservations to the measured peaks; None if no reservation needs a change.

    Services with fewer than `MIN_SAMPLES` measurements are left out.
    """
    reserved = {service.name: service.resources.memory_mb for service in selected(settings)}
    wanted: dict[str, int] = {}
    for name, current in reserved.items():
        measured = [sample[name] for sample in samples if name in sample]
        if len(measured) >= MIN_SAMPLES and not SHRINK_BELOW * current <= max(measured) <= GROW_ABOVE * current:
            size = max(STEP_MB, -(-int(max(measured) * HEADROOM) // STEP_MB) * STEP_MB)
            if size != current:
                wanted[name] = size
    if not wanted:
        return None
    reason = f"peaks of {len(samples)} measurements in {RETENTION.days} days"
    return ScalingRequest.model_validate({"reason": reason, "memory_mb": wanted})


def _time_of(line: str) -> datetime:
    return datetime.fromisoformat(json.loads(line)["at"])

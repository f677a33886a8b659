"""Measure CPU time relative to a reference computation, so that the load of the machine has little influence."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from decimal import ROUND_CEILING, Decimal

REFERENCE_S = 0.0047
"""CPU seconds that the reference computation took on an idle machine. `p95` scales its results to that machine."""


def p95(work: Callable[[], object], rounds: int) -> float:
    """Return the 95th percentile of the CPU seconds of `work`, scaled to the machine that `REFERENCE_S` describes.

    `work` and the reference computation alternate, so that other processes slow down both percentiles equally.
    """
    pairs = [(_seconds(work), _seconds(_reference)) for _ in range(rounds)]
    of_work, of_reference = (sorted(seconds)[rounds * 95 // 100 - 1] for seconds in zip(*pairs, strict=True))
    return of_work / of_reference * REFERENCE_S


def slowdown() -> float:
    """Return the time that the reference computation takes now, divided by `REFERENCE_S`.

    Call it immediately before or after the work that is measured, because the speed of a shared machine changes.
    """
    return statistics.median(_seconds(_reference) for _ in range(100)) / REFERENCE_S


def _seconds(work: Callable[[], object]) -> float:
    began = time.thread_time()
    work()
    return time.thread_time() - began


def _reference() -> Decimal:
    """Add rounded amounts, as the planner does; only the time that this takes is used, not the sum."""
    total = Decimal(0)
    for number in range(6000):
        total += (Decimal(number) / 7).quantize(Decimal("0.01"), rounding=ROUND_CEILING)
    return total

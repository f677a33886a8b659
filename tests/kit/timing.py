"""Measure CPU time relative to a reference computation, so that the load of the machine has little influence."""

from __future__ import annotations

import time
from collections.abc import Callable
from decimal import ROUND_CEILING, Decimal

REFERENCE_S = 0.0047
"""CPU seconds that the reference computation took on an idle machine. `p95` scales its results to that machine."""


def p95(work: Callable[[], object], rounds: int) -> float:
    """Return the 95th percentile of the CPU seconds of `work`, scaled to the machine that `REFERENCE_S` describes.

    The best of three measurements counts, because other processes slow down single measurements.
    """
    return min(_p95(work, rounds) for _ in range(3))


def _p95(work: Callable[[], object], rounds: int) -> float:
    taken = sorted(_seconds(work) / _seconds(_reference) * REFERENCE_S for _ in range(rounds))
    return taken[rounds * 95 // 100 - 1]


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

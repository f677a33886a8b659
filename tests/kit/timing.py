"""Processor time that means the same on a busy machine: measured against work that is always the same."""

from __future__ import annotations

import time
from collections.abc import Callable
from decimal import ROUND_CEILING, Decimal

REFERENCE_S = 0.0047
"""What the reference takes of a quiet machine's processor; where it takes longer, everything does."""


def p95(work: Callable[[], object], rounds: int) -> float:
    """Processor seconds of `work` at the 95th percentile, of a machine that is as fast as `REFERENCE_S` says.

    The best of three times so many rounds: what others do to the machine's caches comes and goes, a slow work stays so.
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
    """Sums of rounded amounts, which a plan is made of too."""
    total = Decimal(0)
    for number in range(6000):
        total += (Decimal(number) / 7).quantize(Decimal("0.01"), rounding=ROUND_CEILING)
    return total

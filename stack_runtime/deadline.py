"""A deadline for a whole question: a peer that sends a byte now and then never trips a client's own time-out."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


def within(seconds: float, ask: Callable[[], Result]) -> Result:
    """Return what `ask` returns, in a thread of its own that is left behind when the time is up.

    Raises:
        TimeoutError: it took longer.
        BaseException: whatever `ask` raises.
    """
    results: list[Result] = []
    failures: list[BaseException] = []

    def run() -> None:
        try:
            results.append(ask())
        except BaseException as error:  # handed over to the caller's thread
            failures.append(error)

    worker = threading.Thread(target=run, daemon=True)
    worker.start()
    worker.join(seconds)
    if results:
        return results[0]
    raise failures[0] if failures else TimeoutError()

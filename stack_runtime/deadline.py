"""Limit the time of a whole request.

A client's own timeout covers only one read, so it never expires if the peer keeps sending single bytes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


def within(seconds: float, ask: Callable[[], Result]) -> Result:
    """Run `ask` in a thread and return its result, or raise its error; on timeout, the thread keeps running.

    Raises:
        TimeoutError: `ask` took longer than `seconds`.
    """
    results: list[Result] = []
    failures: list[BaseException] = []

    def run() -> None:
        try:
            results.append(ask())
        except BaseException as error:  # raised again in the caller's thread
            failures.append(error)

    worker = threading.Thread(target=run, daemon=True)
    worker.start()
    worker.join(seconds)
    if results:
        return results[0]
    raise failures[0] if failures else TimeoutError()

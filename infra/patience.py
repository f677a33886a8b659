"""Waiting out an API that is unavailable for a moment; too many requests are waited out by its client already."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from hcloud import APIException

PAUSES_S = (1.0, 2.0, 4.0, 8.0)
"""Before each repetition."""
UNAVAILABLE = (503, "unavailable", "service_unavailable")

Result = TypeVar("Result")


def patiently(ask: Callable[[], Result]) -> Result:
    """What `ask` returns, asked again with growing pauses while the API answers 503, which means it did nothing.

    Raises:
        APIException: every other refusal, and the last 503.
    """
    for pause in PAUSES_S:
        try:
            return ask()
        except APIException as error:
            if error.code not in UNAVAILABLE:
                raise
        time.sleep(pause)
    return ask()

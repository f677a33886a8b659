from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.singer import Kit


@pytest.fixture(autouse=True, scope="package")
def _signals() -> Iterator[None]:
    """Each plugin takes them when it is made, and Ctrl-C would end no test of another folder any more."""
    kept = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    yield
    for each, handler in kept.items():
        signal.signal(each, handler)


@pytest.fixture
def kit(tmp_path: Path) -> Kit:
    return Kit(tmp_path)

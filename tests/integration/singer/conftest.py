from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from singer_sdk.plugin_base import PluginBase

from tests.kit.singer import Kit


@pytest.fixture(autouse=True, scope="package")
def _signals_are_the_tests_own() -> Iterator[None]:
    """Keep Ctrl-C for the tests: a plugin in this process would install its own signal handlers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PluginBase, "_setup_signal_handlers", lambda _: None)
        yield


@pytest.fixture
def kit(tmp_path: Path) -> Kit:
    return Kit(tmp_path)

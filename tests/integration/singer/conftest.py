from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from singer_sdk.plugin_base import PluginBase

from tests.kit.singer import Kit


@pytest.fixture(autouse=True, scope="package")
def _keep_signal_handlers() -> Iterator[None]:
    """Keep the signal handlers of the tests, because a plugin in this process would handle Ctrl-C itself."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PluginBase, "_setup_signal_handlers", lambda _: None)
        yield


@pytest.fixture
def kit(tmp_path: Path) -> Kit:
    return Kit(tmp_path)

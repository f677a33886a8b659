from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit.singer import Kit


@pytest.fixture
def kit(tmp_path: Path) -> Kit:
    return Kit(tmp_path)

"""Build one wheel for all tests of this folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit import wheel


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wheel.build(tmp_path_factory.mktemp("wheels"))

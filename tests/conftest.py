"""Distribute the tests over the processes of `pytest -n`."""

from __future__ import annotations

import gc
from pathlib import PurePosixPath
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling


class ByFolder(LoadScopeScheduling):
    """Keep the tests of a folder, and those of the prod stack, in one process and in order."""

    def _split_scope(self, nodeid: str) -> str:
        file = PurePosixPath(nodeid.partition("::")[0])
        return "prod stack" if file.name.startswith("test_prod_stack") else str(file.parent)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFolder:
    """Keep the order of collection, which has the slowest folders first, instead of sorting by number of tests."""
    config.option.loadscopereorder = False
    return ByFolder(config, log)


def pytest_collection_finish() -> None:
    """Exclude everything imported so far from garbage collection, because it is never freed."""
    gc.collect()
    gc.freeze()

"""Distribute the tests over the processes of `pytest -n`, and make garbage collection faster in Python and Go."""

from __future__ import annotations

import gc
import os
from pathlib import PurePosixPath
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

# Tests start the Pulumi engine, a Go program, hundreds of times. Otherwise a fifth of the CPU time of a preview goes to
# garbage collection while the memory is still small.
os.environ.update({"GOGC": "off", "GOMEMLIMIT": "1GiB"})


class ByFolder(LoadScopeScheduling):
    """Run the tests of each folder in one process and in order; all tests of the prod stack count as one folder."""

    def _split_scope(self, nodeid: str) -> str:
        file = PurePosixPath(nodeid.partition("::")[0])
        return "prod stack" if file.name.startswith("test_prod_stack") else str(file.parent)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFolder:
    """Schedule the folders in the order of collection (the slow folder `e2e` first), not by their numbers of tests."""
    config.option.loadscopereorder = False
    return ByFolder(config, log)


def pytest_collection_finish() -> None:
    """Exclude all existing objects from later garbage collections, to save time: most of them are never freed."""
    gc.collect()
    gc.freeze()

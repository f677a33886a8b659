"""How the tests are shared out between the processes of `pytest -n`."""

from __future__ import annotations

import gc
from pathlib import PurePosixPath
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling


class ByFolder(LoadScopeScheduling):
    """A folder's tests stay in one process and in their order; so do those of the one prod stack."""

    def _split_scope(self, nodeid: str) -> str:
        file = PurePosixPath(nodeid.partition("::")[0])
        return "prod stack" if file.name.startswith("test_prod_stack") else str(file.parent)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFolder:
    """The longest scopes come first as they are collected, which the number of their tests does not tell."""
    config.option.loadscopereorder = False
    return ByFolder(config, log)


def pytest_collection_finish() -> None:
    """What was imported to collect the tests stays; the collector of garbage need not look through it again."""
    gc.collect()
    gc.freeze()

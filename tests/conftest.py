"""How the tests are shared out among processes: what shares a stack, a server or fixtures stays together.

Most of the time is waiting, for a server to boot or a container to become healthy, in which the other process works.
"""

from __future__ import annotations

from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give every test the group that is run by one process, in order."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_group(item.path.relative_to(TESTS))))


def _group(path: Path) -> str:
    """The file for the dev stack, for it has a stack of its own; the folder for everything else."""
    return str(path if path.name == "test_dev_stack.py" else path.parent)

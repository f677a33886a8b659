"""How the tests are shared out among processes: what shares a stack, a server or fixtures stays together, in order.

While one process leads the played server, which waits a lot, the other one does the rest.
"""

from __future__ import annotations

from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
LONG = ("prod stack", "dev stack", "integration/pipeline", "integration/plugins")
"""The groups that take longest, which begin first."""


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give every test the group that is run by one process, and a place among the groups."""
    groups = {item: _group(item.path.relative_to(TESTS)) for item in items}
    for item, group in groups.items():
        item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=lambda item: LONG.index(groups[item]) if groups[item] in LONG else len(LONG))


def _group(path: Path) -> str:
    """The folder; in `e2e`, where each has a stack of its own, the files that share one."""
    if path.parent.name != "e2e":
        return str(path.parent)
    if path.name.startswith("test_prod_stack"):
        return "prod stack"
    return "dev stack" if path.name == "test_dev_stack.py" else "down"

"""Which parts of the repository may import which."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.project import ROOT

PRODUCT = ("agents", "data_stack", "fds", "infra", "scripts", "stack_runtime")


def _sources(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from (path for path in (ROOT / folder).rglob("*.py") if ".meltano" not in path.parts)


def _imports(path: Path) -> Iterator[str]:
    """Yield the full names of the modules that a file imports, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


@pytest.mark.parametrize("folder", PRODUCT)
def test_product_does_not_import_the_offline_package(folder: str) -> None:
    found = [f"{path}: {name}" for path in _sources(folder) for name in _imports(path)]
    assert found, "nothing was looked at"
    assert not [line for line in found if line.split(": ")[1].partition(".")[0] in ("fds_offline", "offline")]
    texts = [path for path in _sources(folder) if "fds_offline" in path.read_text(encoding="utf-8")]
    assert not texts, "found by entry point, never by name"

"""Test that packages of `agents` import only allowed ones, and that every module can be imported from any folder."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
ALLOWED = {
    "changes": {"changes"},
    "tools": {"changes", "tools"},
    "llm": {"changes", "tools", "llm"},
    "server": {"changes", "tools", "llm", "server"},
}
"""For each package of `agents`, the packages of `agents` that it may import."""
SHARED = ("digests",)
"""Modules of `agents` that every package of `agents` may import. They import nothing from `agents` themselves."""
IMPORT_ALL = """
import importlib, pkgutil, agents
for module in pkgutil.walk_packages(agents.__path__, "agents."):
    importlib.import_module(module.name)
print(agents.__file__)
"""


def _imports(path: Path) -> set[str]:
    """Return the names of the packages and top-level modules of `agents` that a module imports."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert not any(node.level for node in imports), f"{path} has a relative import, which this test does not resolve"
    names = [f"{node.module}.{alias.name}" for node in imports for alias in node.names]
    names += [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    return {name.split(".")[1] for name in names if name.startswith("agents.")}


@pytest.mark.parametrize("package", ALLOWED)
def test_package_imports_only_allowed_packages(package: str) -> None:
    modules = sorted((ROOT / "agents" / package).glob("*.py"))
    assert modules
    found = {module.name: _imports(module) - ALLOWED[package] - set(SHARED) for module in modules}
    assert {name: imported for name, imported in found.items() if imported} == {}


def test_shared_modules_import_nothing_from_agents() -> None:
    assert [_imports(ROOT / "agents" / f"{name}.py") for name in SHARED] == [set()] * len(SHARED)


def test_every_module_of_agents_can_be_imported_from_another_folder(tmp_path: Path) -> None:
    """Python's option `-I` ignores the working directory and `PYTHONPATH`, so only the installed package is found."""
    done = subprocess.run([sys.executable, "-I", "-c", IMPORT_ALL], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(ROOT / "agents" / "__init__.py")

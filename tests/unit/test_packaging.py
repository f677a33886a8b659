"""Test that imported packages are declared, that versions agree, and that the wheel has the right packages."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest

from tests.kit.project import ROOT

OWN = {"agents", "data_stack", "fds", "fds_offline", "infra", "scripts", "stack_runtime"}
DECLARED_IN = {
    "agents": ("agents",),
    "fds": ("agents", "local"),
    "infra": (),
    "stack_runtime": ("local",),
}
"""For each package whose imports are tested, the extras from which it may import besides the wheel's dependencies."""


def _project(folder: Path = ROOT) -> dict[str, Any]:
    return tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))


def _imports(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield each module of another distribution that a file of the folder imports, and the path of this file."""
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            for name in {name.partition(".")[0] for name in names} - OWN:
                if name not in sys.stdlib_module_names:
                    yield name, path


def _name(requirement: str) -> str:
    """Return the normalized name of the distribution in a requirement."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~; ]", requirement)[0]).lower()


def _undeclared(folder: Path, requirements: list[str]) -> set[str]:
    """Return `module in file` for each import of a module that no required distribution contains.

    A module is also returned if only a dependency of a required distribution contains it.
    """
    declared, providers = {_name(each) for each in requirements}, packages_distributions()
    return {
        f"{module} in {path.relative_to(folder)}"
        for module, path in _imports(folder)
        if not declared & {_name(each) for each in providers.get(module, ())}
    }


@pytest.mark.parametrize("package", DECLARED_IN)
def test_every_direct_import_is_declared(package: str) -> None:
    project = _project()["project"]
    extras = [each for extra in DECLARED_IN[package] for each in project["optional-dependencies"][extra]]
    assert list(_imports(ROOT / package)), "no import was found"
    assert not _undeclared(ROOT / package, [*project["dependencies"], *extras])


def test_every_direct_import_of_the_offline_package_is_declared() -> None:
    requirements = _project(ROOT / "offline")["project"]["dependencies"]
    assert not _undeclared(ROOT / "offline", requirements)


def test_import_without_a_declared_requirement_is_reported() -> None:
    assert {found.partition(" ")[0] for found in _undeclared(ROOT / "infra" / "engine", ["typer"])} == {"pulumi"}


def test_all_groups_and_extras_require_the_same_version_of_a_package() -> None:
    document = _project()
    extras, groups = document["project"]["optional-dependencies"], document["dependency-groups"]
    seen: dict[str, set[str]] = {}
    lists = [document["project"]["dependencies"], *extras.values(), *groups.values()]
    for requirement in (each for entries in lists for each in entries if isinstance(each, str)):
        seen.setdefault(_name(requirement), set()).add(requirement.partition("[")[0] + requirement.partition("]")[2])
    assert not {name: found for name, found in seen.items() if len(found) > 1 and name != "freelancer-data-stack"}


def test_extra_all_contains_every_extra() -> None:
    extras = _project()["project"]["optional-dependencies"]
    (whole,) = extras["all"]
    assert set(re.findall(r"\w+", whole.partition("[")[2])) == set(extras) - {"all"}


def test_wheel_contains_exactly_the_five_packages_of_the_product() -> None:
    packages = _project()["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert packages == ["agents", "data_stack", "fds", "infra", "stack_runtime"]


@pytest.mark.parametrize("image", ["airflow", "pipeline"])
def test_module_that_installs_plugins_in_an_image_needs_only_the_files_copied_before(
    tmp_path: Path, image: str
) -> None:
    """The images copy only these files first, so that a change of another file does not install the plugins again."""
    dockerfile = (ROOT / "data_stack" / "images" / image / "Dockerfile").read_text()
    copied = re.findall(r"stack_runtime/[a-z_0-9/]+\.py", dockerfile.partition("meltano_env\n")[0])
    for file in ("pyproject.toml", "uv.lock", *copied):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, tmp_path / file)
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); from stack_runtime.pipeline import meltano_env as it; print(it)"
    )
    done = subprocess.run([sys.executable, "-I", "-c", program, tmp_path], capture_output=True, text=True)
    assert str(tmp_path) in done.stdout, done.stderr

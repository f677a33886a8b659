"""Test that, outside of `infra/hosts`, no code decides by the kind of a host, and only listed modules import a kind.

Also test that the product does not import the offline package.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from infra.hosts import HOSTS
from infra.settings import Settings
from tests.kit.project import ROOT

PRODUCT = ("agents", "data_stack", "fds", "infra", "scripts", "stack_runtime")
OUTSIDE = {"infra/cost/sources/live.py", "infra/cost/sources/held.py", "fds/_connections.py"}
"""Modules outside `infra.hosts` that may import from `infra.hosts.hetzner`: they read prices and an account's
resources, and explain failed calls."""


def modules() -> Iterator[tuple[str, ast.Module]]:
    """Yield the path and the syntax tree of every module of the product outside `infra/hosts`."""
    for package in PRODUCT:
        for path in sorted((ROOT / package).rglob("*.py")):
            own = path.relative_to(ROOT)
            hidden = any(part.startswith(".") for part in own.parts)  # such as a virtualenv that `fds setup` created
            if not hidden and not str(own).startswith("infra/hosts/"):
                yield str(own), ast.parse(path.read_text(encoding="utf-8"))


def names_in(node: ast.AST) -> set[str]:
    """Return the kinds of hosts, such as `hetzner`, that an operand or pattern names, but not in arguments of calls."""
    match node:
        case ast.Constant(str(value)):
            return {value} & HOSTS.keys()
        case ast.Tuple(parts) | ast.List(parts) | ast.Set(parts) | ast.MatchOr(parts):
            return {name for part in parts for name in names_in(part)}
        case ast.MatchValue(value) | ast.MatchAs(value):
            return names_in(value) if value else set()
    return set()


def decisions(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield code that decides by the kind of a host: a comparison, a pattern, or a use of the setting `host`.

    Such a use is a lookup by this setting or a test of its prefix or suffix.
    """
    for node in ast.walk(tree):
        match node:
            case ast.Compare(left, _, others) if any(names_in(one) for one in (left, *others)):
                yield node
            case ast.match_case(pattern) if names_in(pattern):
                yield pattern
            case ast.Subscript(_, ast.Attribute(_, "host")):
                yield node
            case ast.Call(ast.Attribute(_, "get" | "startswith" | "endswith"), [ast.Attribute(_, "host"), *_]):
                yield node
            case ast.Call(ast.Attribute(ast.Attribute(_, "host"), "startswith" | "endswith")):
                yield node


def test_no_module_outside_hosts_decides_by_the_kind_of_a_host() -> None:
    found = [f"{name}:{node.lineno}" for name, tree in modules() for node in decisions(tree)]  # type: ignore[attr-defined]
    assert found == []


@pytest.mark.parametrize(
    "code",
    [
        'if settings.host == "local": pass',
        'if "hetzner" != host: pass',
        'x = read(project, stack).host in ("local", "hetzner")',
        'match settings.host:\n    case "local" | "hetzner": pass',
        'port = {"local": 8080, "hetzner": 80}[settings.host]',
        "port = PORTS.get(settings.host, 80)",
        'x = settings.host.startswith("het")',
    ],
)
def test_decision_by_the_kind_of_a_host_is_found(code: str) -> None:
    assert list(decisions(ast.parse(code)))


def imports(tree: ast.Module) -> set[str]:
    """Return the modules that a module imports anywhere, also inside functions."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def test_only_the_listed_modules_outside_hosts_import_a_kind_of_host() -> None:
    kinds = tuple(f"infra.hosts.{name}" for name in HOSTS)
    found = {name for name, tree in modules() if any(one.startswith(kinds) for one in imports(tree))}
    assert found == OUTSIDE


def test_every_kind_of_host_that_the_settings_allow_has_a_module() -> None:
    assert set(get_args(Settings.model_fields["host"].annotation)) == HOSTS.keys()
    assert all(Path(ROOT, "infra", "hosts", name, "host.py").is_file() for name in HOSTS)


@pytest.mark.parametrize("folder", PRODUCT)
def test_product_does_not_import_the_offline_package(folder: str) -> None:
    """The product finds the offline package by its entry point, so no module may contain its import name."""
    sources = [path for path in (ROOT / folder).rglob("*.py") if ".meltano" not in path.parts]
    assert sources, "no module was found"
    assert not [path for path in sources if "fds_offline" in path.read_text(encoding="utf-8")]

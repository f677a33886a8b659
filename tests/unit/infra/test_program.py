"""Test that the Pulumi program plans with the files of its own project, and registers nothing without approval."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pulumi
import pytest

from infra import program
from infra.component import generated_secrets, program_stacks
from infra.component.args import DataStackArgs, Operation
from infra.component.stack import DataStack
from infra.cost import Plan
from infra.cost.sources.saved import SHIPPED
from infra.settings import Settings
from stack_runtime.errors import RefusedError
from stack_runtime.paths import PROJECT

RENTED = {"host": "hetzner", "serverType": "cpx22", "allowSnapshot": "true", "fxRate": "1.16", "fxDate": "2026-10-07"}


def _project(folder: Path, **stacks: str) -> Path:
    """Write a project with stacks on rented servers; each keyword is the name of a stack, and its value the budget."""
    folder.mkdir()
    (folder / "Pulumi.yaml").write_text(f"name: {PROJECT}\n")
    for stack, budget in stacks.items():
        lines = (f'  {PROJECT}:{key}: "{value}"\n' for key, value in {**RENTED, "budgetUsd": budget}.items())
        (folder / f"Pulumi.{stack}.yaml").write_text("config:\n" + "".join(lines))
    return folder


class _PassedError(Exception):
    """Raised as soon as a plan has passed the gate, so that the test ends there."""


def _raise_passed(plan: Plan) -> None:
    raise _PassedError


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Give the program the configuration of a stack `prod` on a rented server, as the Pulumi engine does."""
    values = {f"{PROJECT}:{key}": value for key, value in {**RENTED, "budgetUsd": "40"}.items()}
    monkeypatch.setattr(program, "runtime_config", SimpleNamespace(CONFIG=SimpleNamespace(get=lambda: values)))
    monkeypatch.setattr(pulumi, "get_stack", lambda: "prod")
    monkeypatch.setattr(pulumi.Config, "get_secret_object", lambda *_: {})
    monkeypatch.setattr(generated_secrets, "require", lambda *_: None)
    monkeypatch.setattr(program_stacks, "get_root_resource", lambda: None)
    monkeypatch.setenv("FDS_PRICES_DIR", str(SHIPPED))
    monkeypatch.setenv("FDS_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("HCLOUD_TOKEN", raising=False)


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("named", [True, False])
def test_program_checks_the_budget_with_its_own_stacks_and_not_those_of_fds_project_dir(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: bool
) -> None:
    """`FDS_PROJECT_DIR` names another project, for example because the user ran `. .fds/env` in that project."""
    crowded, single = _project(tmp_path / "one", prod="40", lab="40"), _project(tmp_path / "two", prod="40")
    own, other = (single, crowded) if named else (crowded, single)
    monkeypatch.setenv("FDS_PROJECT_DIR", str(other))
    with pytest.raises(_PassedError if own is single else RefusedError):
        program.main(own, agreed=_raise_passed)


def test_unapproved_plan_registers_nothing() -> None:
    with pytest.raises(_PassedError):  # registering the component would raise another error, because no engine runs
        DataStack("dev", DataStackArgs(Settings(stack="dev"), operation=Operation(agreed=_raise_passed)))

"""The program plans on the files of the project that it deploys, and makes nothing of a plan that nobody agreed to."""

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
    """A project with these stacks, each of them rented with this budget."""
    folder.mkdir()
    (folder / "Pulumi.yaml").write_text(f"name: {PROJECT}\n")
    for stack, budget in stacks.items():
        lines = (f'  {PROJECT}:{key}: "{value}"\n' for key, value in {**RENTED, "budgetUsd": budget}.items())
        (folder / f"Pulumi.{stack}.yaml").write_text("config:\n" + "".join(lines))
    return folder


class _PassedError(Exception):
    """The plan passed the gate."""


def _pass(plan: Plan) -> None:
    raise _PassedError


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What the engine says of stack `prod`; everything ends when its plan has passed."""
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
def test_neighbours_of_another_project_in_the_environment_are_not_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: bool
) -> None:
    """`. .fds/env` of one project, and then `fds up` in another."""
    crowded, single = _project(tmp_path / "one", prod="40", lab="40"), _project(tmp_path / "two", prod="40")
    own, other = (single, crowded) if named else (crowded, single)
    monkeypatch.setenv("FDS_PROJECT_DIR", str(other))
    with pytest.raises(_PassedError if own is single else RefusedError):
        program.main(own, agreed=_pass)


def test_plan_that_nobody_agreed_to_registers_nothing() -> None:
    with pytest.raises(_PassedError):  # before the component itself, for which there is no engine here
        DataStack("dev", DataStackArgs(Settings(stack="dev"), operation=Operation(agreed=_pass)))

"""Test the component `DataStack` in a user's own Pulumi program, and services that the user defines there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any, cast

import pytest

from infra.cost.planning_inputs import PlanningInputs, ProgramStack
from infra.cost.sources.saved import SHIPPED
from infra.services import Build, Health, Resources, Service, catalogue, selected
from infra.settings import Settings
from stack_runtime.errors import UsageError
from stack_runtime.paths import PROJECT
from tests.kit.project import ROOT

PAGE = (ROOT / "docs" / "component.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
PRELUDE = """import pulumi
from infra import DataStack, DataStackArgs, Service, Settings
name = "shop-test"
settings = Settings(stack=name)
"""
RENTED = """
from infra.hosts.hetzner import server
from stack_runtime.errors import UnreachableError
server.wait_until_ready = lambda access, say, **_: None  # because no server is created
values = {"host": "hetzner", "serverType": "cpx22", "fxRate": "1.16", "fxDate": "2026-10-07", "allowSnapshot": True}
"""
"""Continuation of `PRELUDE` for a program with a rented server; `values` are settings in camel case."""
RUN = """
import json, sys, pulumi
found = []
class Engine(pulumi.runtime.Mocks):
    def call(self, args): return {}, None
    def new_resource(self, args):
        found.append([args.typ, args.name])
        outputs = {"imageId": "sha256:0", "ipv4Address": "192.0.2.1", "output": args.inputs.get("input")}
        return str(len(found)), {**outputs, **args.inputs}
async def program(): exec(sys.argv[1], {})
pulumi.runtime.set_mocks(Engine(), project="own", stack="test", preview=False)
try:
    pulumi.runtime.test(program)()
except pulumi.RunError as error:
    print(json.dumps([str(error), len(found)]))
else:
    print(json.dumps(found))
"""
"""Program that runs another program with Pulumi's mocks instead of an engine, and prints the resources or the error."""

OWN = Service(
    name="greeter",
    image="python:3.11-slim",
    user="10001:10001",
    resources=Resources(memory_mb=100, memory_limit_mb=200, cpu=0.1, cpu_limit=0.5),
    health=Health(("true",)),
)


def _run(program: str, folder: Path, **variables: str) -> Any:
    """Run a program in `folder`; return the registered resources, or an error and the number of resources."""
    (folder / "Pulumi.yaml").write_text("name: own\nruntime: python\n")
    kept = {key: value for key, value in os.environ.items() if key not in ("FDS_PROJECT_DIR", "HCLOUD_TOKEN")}
    environment = {**kept, "PYTHONPATH": str(ROOT), "FDS_PRICES_DIR": str(SHIPPED), **variables}
    done = subprocess.run(
        [sys.executable, "-c", RUN, program], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("example", EXAMPLES)
def test_documented_program_registers_children_named_after_the_component(example: str, tmp_path: Path) -> None:
    found = _run(example if "pulumi.export" in example else PRELUDE + example, tmp_path)
    assert ["fds:index:DataStack", "shop-test"] in found
    inside = [name for kind, name in found if not kind.startswith(("pulumi:pulumi:", "fds:"))]
    assert len(inside) > 20 and all(name.startswith("shop-test-") for name in inside), inside
    assert ("shop-test-greeter" in inside) is ("greeter" in example)


def test_docs_page_about_the_component_has_two_example_programs() -> None:
    assert len(EXAMPLES) == 2


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("DataStack('other', DataStackArgs(settings))", "one name for both"),
        ("[DataStack(name, DataStackArgs(settings)) for _ in range(2)]", "two data stacks with the name shop-test"),
        (
            "DataStack(name, DataStackArgs(Settings(stack=name, profiles=('nothing',))))",
            "unknown profile 'nothing'",
        ),
        (
            "DataStack(name, DataStackArgs(Settings(stack=name, services={'postgres': {'memory_mb': 1_000_000}})))",
            "does not fit",
        ),
        (
            "DataStack(name, DataStackArgs(Settings(stack=name, host='ssh', ssh_host='192.0.2.1')))",
            "cannot deploy to the host ssh: only fds accepts the host key of the server and prepares it; next: use",
        ),
    ],
)
def test_invalid_program_is_refused_without_a_traceback(program: str, said: str, tmp_path: Path) -> None:
    error, registered = _run(PRELUDE + program, tmp_path)
    assert said in error
    assert registered <= 1 or "range(2)" in program, "only the component itself is registered"


@pytest.mark.parametrize("failing", ["stack.images_of", "server.wait_until_ready"])
def test_failure_after_the_gate_is_shown_without_a_traceback(failing: str, tmp_path: Path) -> None:
    program = PRELUDE + RENTED + "from infra.component import stack\n"
    program += f"def fail(*_, **__): raise UnreachableError('no answer', next_command='wait')\n{failing} = fail\n"
    program += "DataStack(name, DataStackArgs(Settings.of(name, {**values, 'budgetUsd': '40'})))"
    error, registered = _run(program, tmp_path)
    assert error == "no answer; next: wait" and registered > 5


@pytest.mark.parametrize(
    ("place", "file", "text", "refused"),
    [
        ("own", "images.lock.yaml", "not a lock file\n", True),
        ("clone", "images.lock.yaml", "not a lock file\n", False),
        ("clone", "Pulumi.lab.yaml", f"config: {{{PROJECT}:host: hetzner, {PROJECT}:serverType: cpx22}}\n", False),
    ],
    ids=["own lock file", "other lock file", "other stack"],
)
def test_program_reads_the_files_of_its_own_project_and_not_of_fds_project_dir(
    place: str, file: str, text: str, refused: bool, tmp_path: Path
) -> None:
    """In a shell that ran `. .fds/env` in a clone, the variable `FDS_PROJECT_DIR` is the folder of the clone."""
    for name in ("own", "clone"):
        (tmp_path / name).mkdir()
    (tmp_path / "clone" / "Pulumi.yaml").write_text(f"name: {PROJECT}\nruntime: python\n")
    (tmp_path / place / file).write_text(text)
    program = PRELUDE + RENTED + "DataStack(name, DataStackArgs(Settings.of(name, {**values, 'budgetUsd': '40'})))"
    found = _run(program, tmp_path / "own", FDS_PROJECT_DIR=str(tmp_path / "clone"))
    assert ("line 1 is not an image" in found[0]) == refused
    assert refused or ["fds:index:DataStack", "shop-test"] in found, found
    assert not (tmp_path / "clone" / ".fds").exists(), "keys of the server"


def test_secret_that_the_program_passes_to_the_component_is_not_generated(tmp_path: Path) -> None:
    given = PRELUDE + "DataStack(name, DataStackArgs(settings, secrets={'ui_password': 'x'}))"
    kept = {name for kind, name in _run(given, tmp_path) if kind == "pulumi:index:Stash"}
    assert "shop-test-secret-postgres_password" in kept and "shop-test-secret-ui_password" not in kept


@pytest.mark.parametrize("name", ["DataStack", "DataStackArgs", "Service", "Settings"])
def test_public_class_is_exported_by_infra(name: str) -> None:
    import infra

    assert getattr(infra, name).__name__ == name and name in infra.__all__


def test_settings_are_imported_without_pulumi() -> None:
    """The image of the agents uses `Settings` but has no Pulumi, so importing `Settings` must not import Pulumi."""
    code = "import sys, infra; infra.Settings, infra.Service; print('pulumi' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "False\n"


def test_unknown_name_in_the_package_infra_is_an_attribute_error() -> None:
    import infra

    with pytest.raises(AttributeError, match="Datastack"):
        _ = infra.Datastack


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"name": "postgres"}, "its name is taken"),
        ({"name": "agents"}, "its name is taken"),
        ({"name": "files"}, "its name is taken"),
        ({"name": "Greeter"}, "small letters"),
        ({"name": "../greeter"}, "small letters"),
        ({"image": Build("Dockerfile")}, "its image has no name"),
        ({"user": "0:0"}, "is root"),
        ({"user": "root"}, "UID:GID"),
        ({"published": lambda _: {80: 80}}, "publishes ports"),
        ({"needs": ("redis",)}, "it needs redis, not selected here"),
        ({"resources": Resources(200, 100, 0.1, 0.5)}, "more memory than its limit"),
        ({"resources": Resources(-5_000, 100, 0.1, 0.5)}, "its resources are not amounts"),
        ({"resources": Resources(0, 100, 0.1, 0.5)}, "its resources are not amounts"),
        ({"resources": Resources(50, 100, -3.0, 0.5)}, "its resources are not amounts"),
        ({"resources": Resources(50, 100, 0.1, float("nan"))}, "its resources are not amounts"),
        ({"resources": Resources(50, 100, 0.1, cast(float, "1.0"))}, "its resources are not amounts"),
        ({"resources": Resources(cast(int, "50"), 100, 0.1, 0.5)}, "its resources are not amounts"),
        ({"resources": Resources(50, 100, 0.05, 0.05)}, "its CPU limit is below 0.1"),
        ({"health": Health(("true",), interval_s=cast(int, 0.5))}, "times that are not whole seconds above 0"),
        ({"health": Health(("true",), timeout_s=0)}, "times that are not whole seconds above 0"),
        ({"resources": Resources(50, 100, 0.1, 0.5, disk_gb=-100)}, "its resources are not amounts"),
        ({"resources": Resources(50, 100, 0.1, 0.5, image_mb=-100)}, "its resources are not amounts"),
    ],
)
def test_invalid_user_defined_service_is_refused(changed: dict[str, Any], said: str) -> None:
    from dataclasses import replace

    with pytest.raises(UsageError, match=said):
        selected(Settings(stack="dev"), [replace(OWN, **changed)])


def test_user_defined_service_is_the_last_selected_service_and_gets_its_memory_setting() -> None:
    settings = Settings.of("dev", {"services": {"greeter": {"memoryMb": 150}}})
    found = selected(settings, [OWN])
    assert found[-1].name == "greeter" and found[-1].resources.memory_mb == 150
    assert len(found) == len(selected(Settings(stack="dev"))) + 1 <= len(catalogue()) + 1


def test_memory_of_a_user_defined_service_is_reserved_in_the_plan() -> None:
    settings, today = Settings(stack="dev"), date(2026, 11, 1)
    alone = PlanningInputs.of(settings, today).plan(settings)
    with_own = PlanningInputs.of(settings, today, own=[OWN]).plan(settings)
    assert with_own.capacity.memory_mb.reserved == alone.capacity.memory_mb.reserved + 100


def test_stacks_of_one_program_share_the_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HCLOUD_TOKEN", raising=False)
    monkeypatch.setenv("FDS_CACHE_DIR", str(tmp_path))
    (tmp_path / "Pulumi.yaml").write_text("name: own\nruntime: python\n")
    rate = {"fx_rate": "1.1637", "fx_date": date(2026, 10, 28)}
    first, second = (Settings(stack=name, host="hetzner", **rate) for name in ("one", "two"))  # type: ignore[arg-type]

    def total(*beside: ProgramStack) -> Any:
        inputs = PlanningInputs.of(
            second, date(2026, 10, 29), prices_dir=SHIPPED, project=tmp_path, allow_snapshot=True, beside=beside
        )
        return inputs.plan(second)

    alone, together = total(), total(ProgramStack(first))
    assert alone.verdict == "within" and together.verdict == "over"
    assert together.total_usd == 2 * alone.total_usd
    other_budget = first.model_copy(update={"budget_group": "another"})
    assert total(ProgramStack(other_budget)).total_usd == alone.total_usd

"""Run docs/examples/two_stacks on this machine's Docker, with the package installed from a wheel."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from infra import build_context
from infra.engine.environment import search_path
from infra.services import Build, catalogue
from stack_runtime.docker_exec import execute
from stack_runtime.docker_host import containers, images_in, local_docker, remove_leftovers, remove_unused_images
from tests.kit import wheel
from tests.kit.project import ROOT

EXAMPLE = ROOT / "docs" / "examples" / "two_stacks"
STACK = "wheel"
NAMES = (f"shop-{STACK}", f"lab-{STACK}")
LEAN = {"pipeline", "postgres", "streamlit", "traefik"}


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> wheel.Installed:
    return wheel.install(built, tmp_path_factory.mktemp("my program"))


@dataclass
class Program:
    """A copy of the example, and the virtual environment with the wheel; the methods run `pulumi` on this copy."""

    folder: Path
    installed: wheel.Installed

    def pulumi(self, *words: str, fails: bool = False, input: str | None = None) -> str:
        own = {
            "PATH": search_path(ROOT),  # with Pulumi's engine and the launchers of stand-in plugins
            "PULUMI_BACKEND_URL": f"file://{self.folder}/state",
            "PULUMI_CONFIG_PASSPHRASE": "of the test",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "FDS_PROJECT_DIR": str(self.folder / "clone"),  # as after `. .fds/env` in a clone
        }
        command = ["pulumi", *words, "--stack", STACK, "--non-interactive"]
        done = subprocess.run(
            command, cwd=self.folder, env=self.installed.variables(**own), capture_output=True, text=True, input=input
        )
        assert bool(done.returncode) == fails, done.stdout[-4000:] + done.stderr[-2000:]
        return done.stdout + done.stderr

    def up(self) -> str:
        return self.pulumi("up", "--yes", "--skip-preview")

    def unchanged(self) -> None:
        self.pulumi("up", "--yes", "--skip-preview", "--expect-no-changes")

    def outputs(self) -> Any:
        return json.loads(self.pulumi("stack", "output", "--json"))


@pytest.fixture(scope="module")
def program(installed: wheel.Installed) -> Iterator[Program]:
    folder = installed.environment.parent
    for file in EXAMPLE.iterdir():
        shutil.copy(file, folder / file.name)
    found = Program(folder, installed)
    (folder / "state").mkdir()
    (folder / "clone").mkdir()
    (folder / "clone" / "images.lock.yaml").write_text("this program must not read the files of the clone\n")
    found.pulumi("stack", "init")
    found.pulumi("config", "set", "firstPort", str(_free_ports(4)))
    yield found
    found.pulumi("destroy", "--yes", "--skip-preview")
    client = local_docker()
    for name in NAMES:
        remove_leftovers(client, name, volumes=True)
        remove_unused_images(client, images_in(client, build_context.repositories(name)))


def _free_ports(count: int) -> int:
    """Return the first of `count` consecutive free ports."""
    for first in range(18090, 19000, count):
        try:
            for port in range(first, first + count):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return first
    raise AssertionError("no free ports")


def test_image_sources_have_the_same_digests_in_the_wheel_and_in_the_repository(
    installed: wheel.Installed, tmp_path: Path
) -> None:
    code = (
        "import json, infra; from infra import build_context; from infra.services import Build, catalogue\n"
        "built = [s for s in catalogue() if isinstance(s.image, Build)]\n"
        "tags = {s.name: build_context.content_digest(s.image, {}) for s in built}\n"
        "print(json.dumps([infra.__file__, tags]))"
    )
    file, tags = json.loads(installed.run("-c", code, cwd=tmp_path))
    assert file.startswith(str(installed.environment))
    assert tags == {
        service.name: build_context.content_digest(service.image, {})
        for service in catalogue()
        if isinstance(service.image, Build)
    }


def test_wheel_has_no_scripts_and_no_tests(installed: wheel.Installed) -> None:
    (packages,) = installed.environment.glob("lib/python*/site-packages")
    assert not [name for name in ("scripts", "tests", "offline", "fds_offline") if (packages / name).exists()]


def test_two_stacks_of_one_program_have_their_own_containers_networks_and_passwords(program: Program) -> None:
    program.up()
    client = local_docker()
    for name, extra in zip(NAMES, ({"greeter"}, set()), strict=True):
        found = containers(client, name)
        assert {item.labels["fds.service"] for item in found} == LEAN | extra
        for item in found:
            assert item.attrs["State"]["Health"]["Status"] == "healthy", item.name
            networks = set(item.attrs["NetworkSettings"]["Networks"])
            assert networks and all(re.fullmatch(rf".*-{name}-(internet|web|data)", each) for each in networks)
    passwords = {_password(name) for name in NAMES}
    assert len(passwords) == 2 and all(passwords)
    state = program.pulumi("stack", "export")
    assert not [password for password in passwords if password in state]


def _password(stack: str) -> str:
    (postgres,) = containers(local_docker(), stack, "postgres")
    return execute(postgres, ["cat", "/run/fds/passwords"]).out.decode().strip().rpartition(":")[2]


def test_outputs_have_the_network_the_urls_the_host_and_the_monthly_cost(program: Program) -> None:
    outputs = program.outputs()
    assert set(outputs["urls"]["shop"]) == {"streamlit", "greeter"} and set(outputs["urls"]["lab"]) == {"streamlit"}
    assert outputs["network"] == f"freelancer-data-stack-{NAMES[0]}-data"
    assert (outputs["host"], outputs["monthly_usd"]) == ("127.0.0.1", "0.00")


def test_second_update_changes_nothing_and_keeps_the_secrets(program: Program) -> None:
    before = [_password(name) for name in NAMES]
    program.unchanged()
    assert [_password(name) for name in NAMES] == before


def test_resources_with_names_of_an_earlier_version_are_not_replaced(program: Program) -> None:
    """Until version 0.1.0 only containers were named after the component, so the program must accept the old names."""
    state = program.pulumi("stack", "export")
    former = re.sub(rf"::{NAMES[0]}-(?!{NAMES[0]})([a-z0-9.-]*(network|volume|image|docker))\b", r"::\1", state)
    assert len(set(re.findall(r"urn:[^\"]*::(?:data-network|postgres-volume|docker)\b", former))) == 3
    program.pulumi("stack", "import", input=former)
    program.unchanged()
    assert f"::{NAMES[0]}-data-network" in program.pulumi("stack", "export")


def test_service_that_needs_more_memory_than_the_machine_has_is_refused_and_changes_nothing(program: Program) -> None:
    before = {item.id for name in NAMES for item in containers(local_docker(), name)}
    program.pulumi("config", "set", "greeterMemoryMb", "90000000")
    try:
        said = program.pulumi("up", "--yes", "--skip-preview", fails=True)
        assert "does not fit" in said and "Traceback" not in said, said
    finally:
        program.pulumi("config", "rm", "greeterMemoryMb")
    assert {item.id for name in NAMES for item in containers(local_docker(), name)} == before


@pytest.mark.slow
def test_pulumi_up_with_replace_generates_a_new_password(program: Program) -> None:
    program.up()
    before = _password(NAMES[1])
    (urn,) = set(re.findall(rf'urn:[^"]*::{NAMES[1]}-secret-postgres_password', program.pulumi("stack", "export")))
    program.pulumi("up", "--yes", "--skip-preview", "--replace", urn)
    assert _password(NAMES[1]) not in ("", before)
    program.unchanged()

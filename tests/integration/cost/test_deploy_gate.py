"""Between the plan and the deployment the provider's list changes: the deployment says so, and makes no server."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
import yaml
from hcloud import Client

from tests.kit.hetzner.api import HetznerAPI
from tests.kit.project import ON_A_SERVER, Project

SETTINGS = {**ON_A_SERVER, "budgetUsd": "60"}


@pytest.fixture
def api() -> Iterator[HetznerAPI]:
    """An account that holds nothing."""
    with HetznerAPI() as double:
        yield double


@pytest.fixture
def project(api: HetznerAPI, tmp_path: Path) -> Project:
    made = Project(tmp_path, "gate-prod", SETTINGS, dict(api.environment))
    made.take_secrets()
    return made


def test_prices_that_rose_since_the_plan_stop_the_deployment(api: HetznerAPI, project: Project) -> None:
    plan = project.json("scale", "backups=true", "serverType=cpx22", "location=fsn1", "--apply")
    assert (plan["verdict"], plan["total_usd"]) == ("within", "33.89")
    api.set_price("cpx22", "fsn1", Decimal(80))
    for verb in ("preview", "up"):
        done = project.fds(verb)
        assert done.returncode == 3, done.stdout + done.stderr
        assert "over the budget of $60.00" in done.stderr and "Traceback" not in done.stderr
    assert api.writes() == []


def test_a_type_that_sells_out_since_the_plan_ends_in_the_next_plan(api: HetznerAPI, project: Project) -> None:
    api.faults.add("POST", "/servers$", 100, "412")
    done = project.fds("up")
    assert done.returncode == 3, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    said = done.stderr.strip().splitlines()[-1]
    assert "is sold out, although the price list offers it" in said
    offered = said.partition("next: fds scale ")[2].partition(" --stack")[0].split()
    assert any(pair.startswith("serverType=") for pair in offered)
    assert api.account()["servers"] == 0
    api.faults.clear()
    project.json("scale", *offered, "--apply")
    assert project.json("cost")["server"]["type"] == offered[0].partition("=")[2]
    done = project.fds("preview")
    assert done.returncode == 0, done.stderr


def test_the_budget_group_is_that_of_the_stack_s_own_project(api: HetznerAPI, project: Project) -> None:
    """The policy pack runs in a folder of another project, whose rented stack is none of this one's neighbours."""
    done = project.fds("preview")
    assert done.returncode == 0, done.stderr
    neighbour = yaml.safe_load(project.stack_file.read_text())
    neighbour["config"]["freelancer-data-stack:serverType"] = "cpx32"
    (project.folder / "Pulumi.second.yaml").write_text(yaml.safe_dump(neighbour))
    done = project.fds("preview")
    assert (done.returncode, api.writes()) == (3, [])
    assert "stack second" in done.stderr


def test_the_engine_s_own_command_is_refused_in_one_sentence_too(project: Project) -> None:
    project.make_stack()
    project.configure({"budgetUsd": "1"})
    over = project.engine("preview", "--non-interactive")
    assert over.returncode != 0
    assert "over the budget of $1.00" in over.stdout and "Traceback" not in over.stdout + over.stderr


def test_server_of_a_stack_without_a_file_counts_in_every_deployment(api: HetznerAPI, project: Project) -> None:
    """By `fds up` and by the engine's own command: both ask the account, and neither writes."""
    assert project.fds("preview").returncode == 0
    client = Client(token=api.token, api_endpoint=api.endpoint)
    client.servers.create(
        name="deleted-file",
        server_type=client.server_types.get_by_name("cpx32"),
        image=client.images.get_by_name_and_architecture("debian-12", "x86"),
        location=client.locations.get_by_name("fsn1"),
        labels={"project": "freelancer-data-stack", "stack": "first"},
    ).action.wait_until_finished()
    before = len(api.writes())
    done = project.fds("up")
    assert done.returncode == 3 and "stack first" in done.stderr, done.stderr
    plain = project.engine("up", "--yes", "--skip-preview", "--non-interactive")
    assert plain.returncode != 0 and "stack first" in plain.stdout, plain.stdout
    assert len(api.writes()) == before


def test_plain_pulumi_repeats_a_raised_budget(project: Project) -> None:
    project.make_stack()
    shown = project.engine("preview", "--non-interactive")
    assert "budget raised to $60.00 by setting budgetUsd" in shown.stdout, shown.stdout + shown.stderr


def test_an_api_that_is_unavailable_for_a_while_is_waited_for(api: HetznerAPI, project: Project) -> None:
    api.faults.add("POST", "/ssh_keys$", 2, "503")
    api.faults.add("POST", "/servers$", 100, "412")  # where this test ends: nothing boots here
    assert project.fds("up").returncode == 3
    assert [entry.status for entry in api.journal].count(503) == 2
    assert api.account()["ssh_keys"] == 1


@pytest.mark.parametrize(("method", "path"), [("POST", "/ssh_keys$"), ("GET", "/servers"), ("GET", "/pricing$")])
def test_a_connection_that_is_cut_is_unreachable(api: HetznerAPI, project: Project, method: str, path: str) -> None:
    api.faults.add(method, path, 100, "cut")
    done = project.fds("up")
    assert done.returncode == 5, done.stderr
    said = done.stderr.strip().splitlines()[-1]
    assert said.startswith("fds: ") and "next: " in said and "Traceback" not in done.stderr

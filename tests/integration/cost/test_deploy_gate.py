"""Test that a deployment is refused if it is over the budget, such as after a price rise or because of other stacks, or
if its server type is sold out.
"""

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
    """Yield a double of the Hetzner API whose account is empty."""
    with HetznerAPI() as double:
        yield double


@pytest.fixture
def project(api: HetznerAPI, tmp_path: Path) -> Project:
    made = Project(tmp_path, "gate-prod", SETTINGS, dict(api.environment))
    made.take_secrets()
    return made


def test_deployment_over_budget_after_a_price_rise_is_refused(api: HetznerAPI, project: Project) -> None:
    plan = project.json("scale", "backups=true", "serverType=cpx22", "location=fsn1", "--apply")
    assert (plan["verdict"], plan["total_usd"]) == ("within", "33.89")
    api.set_price("cpx22", "fsn1", Decimal(80))
    for verb in ("preview", "up"):
        done = project.fds(verb)
        assert done.returncode == 3, done.stdout + done.stderr
        assert "over the budget of $60.00" in done.stderr and "Traceback" not in done.stderr
    assert api.writes() == []


def test_error_about_a_sold_out_type_offers_an_alternative_that_passes_the_preview(
    api: HetznerAPI, project: Project
) -> None:
    api.faults.add("POST", "/servers$", 100, "412")
    done = project.fds("up")
    assert done.returncode == 3, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    error = done.stderr.strip().splitlines()[-1]
    assert "is sold out, although the price list offers it" in error
    offered = error.partition("next: fds scale ")[2].partition(" --stack")[0].split()
    assert any(pair.startswith("serverType=") for pair in offered)
    assert api.account()["servers"] == 0
    api.faults.clear()
    project.json("scale", *offered, "--apply")
    assert project.json("cost")["server"]["type"] == offered[0].partition("=")[2]
    done = project.fds("preview")
    assert done.returncode == 0, done.stderr


def test_withdrawal_of_the_type_between_plan_and_order_is_refused_with_another_type(
    api: HetznerAPI, project: Project
) -> None:
    planned = project.json("cost")["server"]["type"]
    api.on_write(1, lambda: api.withdraw(planned), "before")
    done = project.fds("up")
    assert done.returncode == 3, done.stdout + done.stderr
    error = done.stderr.strip().splitlines()[-1]
    assert f"{planned} in " in error and "cannot be ordered any more" in error
    assert "next: fds scale " in error and f"serverType={planned}" not in error
    assert api.account()["servers"] == 0 and "Traceback" not in done.stderr


def test_budget_group_counts_the_stacks_of_the_deployed_project(api: HetznerAPI, project: Project) -> None:
    """The policy pack runs in the repository's folder, whose stack files must not be counted."""
    done = project.fds("preview")
    assert done.returncode == 0, done.stderr
    second = yaml.safe_load(project.stack_file.read_text())
    second["config"]["freelancer-data-stack:serverType"] = "cpx32"
    (project.folder / "Pulumi.second.yaml").write_text(yaml.safe_dump(second))
    done = project.fds("preview")
    assert (done.returncode, api.writes()) == (3, [])
    assert "stack second" in done.stderr


def test_plain_pulumi_over_budget_is_refused_without_a_traceback(project: Project) -> None:
    project.make_stack()
    project.configure({"budgetUsd": "1"})
    over = project.engine("preview", "--non-interactive")
    assert over.returncode != 0
    assert "over the budget of $1.00" in over.stdout and "Traceback" not in over.stdout + over.stderr


def test_server_of_a_stack_without_a_stack_file_counts_against_the_budget_of_another_stack(
    api: HetznerAPI, project: Project
) -> None:
    """Test `fds up` and a plain `pulumi up`: both query the account, find the server, and are refused."""
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


def test_plain_pulumi_preview_says_that_a_setting_raises_the_budget(project: Project) -> None:
    project.make_stack()
    shown = project.engine("preview", "--non-interactive")
    assert "budget raised to $60.00 by setting budgetUsd" in shown.stdout, shown.stdout + shown.stderr


@pytest.mark.slow
def test_deployment_tries_again_while_the_api_answers_503(api: HetznerAPI, project: Project) -> None:
    api.faults.add("POST", "/ssh_keys$", 2, "503")
    api.faults.add("POST", "/servers$", 100, "412")  # ends the deployment, because no server boots in this test
    assert project.fds("up").returncode == 3
    assert [entry.status for entry in api.journal].count(503) == 2
    assert api.account()["ssh_keys"] == 1


@pytest.mark.parametrize(
    ("method", "path"),
    [pytest.param("POST", "/ssh_keys$", marks=pytest.mark.slow), ("GET", "/servers"), ("GET", "/pricing$")],
)
def test_up_ends_with_exit_code_5_if_the_api_closes_the_connection(
    api: HetznerAPI, project: Project, method: str, path: str
) -> None:
    api.faults.add(method, path, 100, "cut")
    done = project.fds("up")
    assert done.returncode == 5, done.stderr
    error = done.stderr.strip().splitlines()[-1]
    assert error.startswith("fds: ") and "next: " in error and "Traceback" not in done.stderr

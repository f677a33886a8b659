"""Test `fds down` and `fds up` after a deployment was killed before the Pulumi state recorded a created resource."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hcloud import Client

from tests.e2e.killing import kill_at
from tests.e2e.prod import SETTINGS, Prod, assert_refused
from tests.kit.hetzner import HetznerAPI
from tests.kit.project import Project

STACK = "e2e-killed"
KINDS = ("servers", "firewalls", "networks", "ssh_keys", "volumes")


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Prod]:
    """Yield an empty simulated account with a project that has not been deployed yet."""
    with HetznerAPI() as api:
        project = Project(tmp_path, STACK, SETTINGS, dict(api.environment))
        project.take_secrets()
        yield Prod(api, project)


@pytest.fixture
def killed(empty: Prod) -> Prod:
    """Return an account after a killed deployment. The Pulumi state has all created resources except the server."""
    kill_at(empty, "POST /servers")
    empty.api.settle()
    assert empty.resource_counts()["servers"] == 1
    return empty


def _down(prod: Prod) -> str:
    """Remove the stack with its data, assert that the account is empty, and return the output."""
    down = prod.project.fds("down", "--volumes", "--confirm", STACK)
    assert down.returncode == 0, down.stderr
    prod.api.settle()
    assert prod.api.account() == prod.api.empty()
    return down.stderr


def test_down_removes_a_server_that_is_not_in_the_pulumi_state(killed: Prod) -> None:
    assert "(server), which an interrupted deployment left behind" in _down(killed)


@pytest.mark.slow
def test_down_reports_resources_of_the_pulumi_state_that_are_gone_from_the_account(killed: Prod) -> None:
    client = Client(killed.api.token, killed.api.endpoint, poll_interval=0.02)
    for volume in client.volumes.get_all():
        volume.change_protection(delete=False).wait_until_finished()
    gone = []
    for kind in KINDS:
        for each in getattr(client, kind).get_all():
            action = each.delete()
            if hasattr(action, "wait_until_finished"):
                action.wait_until_finished()
            gone.append(f"{kind.removesuffix('s').replace('_', ' ')} {each.id} is gone from the account")
    output = _down(killed)
    assert all(line in output for line in gone[1:]), output  # gone[0] is the server, which is not in the Pulumi state


@pytest.mark.slow
def test_up_with_the_token_of_another_hetzner_project_is_refused_and_keeps_the_pulumi_state(empty: Prod) -> None:
    kill_at(empty, "POST /volumes/N/actions/attach")
    with HetznerAPI() as another:
        assert_refused(
            empty.project.fds("up", **another.environment), 5, "HCLOUD_TOKEN has no resource of the stack", STACK
        )
        assert another.writes() == []
    assert "is gone from the account" not in _down(empty)


@pytest.mark.slow
def test_down_does_not_report_an_existing_network_without_labels_as_gone(killed: Prod) -> None:
    client = Client(killed.api.token, killed.api.endpoint)
    client.networks.get_all()[0].update(labels={})
    assert "is gone from the account" not in _down(killed)


@pytest.mark.slow
def test_down_repeats_a_request_that_the_api_answers_with_503(killed: Prod) -> None:
    killed.api.faults.add("DELETE", "/networks/[0-9]+$", 1, "503")
    assert "trying again in 2 s" in _down(killed)

"""After a deployment that was killed before it could write down what it had made: `fds down`, and a wrong token."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hcloud import Client

from tests.e2e.killing import killed_at
from tests.e2e.prod import SETTINGS, Prod, refused
from tests.kit.hetzner import HetznerAPI
from tests.kit.project import Project

STACK = "e2e-killed"
KINDS = ("servers", "firewalls", "networks", "ssh_keys", "volumes")


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Prod]:
    """An account that holds nothing, and a project that is about to deploy to it."""
    with HetznerAPI() as api:
        project = Project(tmp_path, STACK, SETTINGS, dict(api.environment))
        project.take_secrets()
        yield Prod(api, project)


@pytest.fixture
def killed(empty: Prod) -> Prod:
    """An account with a server that nobody recorded, and all that came before it."""
    killed_at(empty, "POST /servers")
    empty.api.settle()
    assert empty.in_account()["servers"] == 1
    return empty


def _down(prod: Prod) -> str:
    """Take it down with its data. Returns: what was said."""
    down = prod.project.fds("down", "--volumes", "--confirm", STACK)
    assert down.returncode == 0, down.stderr
    prod.api.settle()
    assert prod.api.account() == prod.api.empty()
    return down.stderr


def test_what_nobody_recorded_is_removed(killed: Prod) -> None:
    assert "(server), which an interrupted deployment left behind" in _down(killed)


def test_what_is_gone_already_is_forgotten(killed: Prod) -> None:
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
    said = _down(killed)
    assert all(line in said for line in gone[1:]), said  # the server itself was never recorded


def test_up_with_the_token_of_another_project_forgets_nothing(empty: Prod) -> None:
    killed_at(empty, "POST /volumes/N/actions/attach")
    with HetznerAPI() as another:
        refused(empty.project.fds("up", **another.environment), 5, "HCLOUD_TOKEN holds nothing of the stack", STACK)
        assert another.writes() == []
    assert "is gone from the account" not in _down(empty)


def test_what_lost_its_labels_is_not_taken_for_gone(killed: Prod) -> None:
    client = Client(killed.api.token, killed.api.endpoint)
    client.networks.get_all()[0].update(labels={})
    assert "is gone from the account" not in _down(killed)


def test_an_api_that_is_busy_is_waited_for(killed: Prod) -> None:
    killed.api.faults.add("DELETE", "/networks/[0-9]+$", 1, "503")
    assert "trying again in 2 s" in _down(killed)

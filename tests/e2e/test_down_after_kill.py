"""`fds down` after a deployment that was killed before it could write down what it had made."""

from __future__ import annotations

from pathlib import Path

from hcloud import Client

from tests.e2e.killing import killed_at
from tests.e2e.prod import SETTINGS, Prod
from tests.kit.hetzner import HetznerAPI
from tests.kit.project import Project


def test_down_removes_what_nobody_recorded(tmp_path: Path) -> None:
    with HetznerAPI() as api:
        prod = Prod(api, Project(tmp_path, "e2e-killed", SETTINGS, dict(api.environment)))
        killed_at(prod, "POST /servers")
        api.settle()
        assert prod.in_account()["servers"] == 1
        down = prod.project.fds("down", "--volumes", "--confirm", "e2e-killed")
        assert down.returncode == 0 and "left behind" in down.stderr, down.stderr
        api.settle()
        assert api.account() == api.empty()


def test_down_goes_on_where_the_firewall_is_gone_already(tmp_path: Path) -> None:
    with HetznerAPI() as api:
        prod = Prod(api, Project(tmp_path, "e2e-killed", SETTINGS, dict(api.environment)))
        killed_at(prod, "POST /servers")
        api.settle()
        client = Client(api.token, api.endpoint, poll_interval=0.02)
        client.servers.get_all()[0].delete().wait_until_finished()
        client.firewalls.get_all()[0].delete()
        down = prod.project.fds("down", "--volumes", "--confirm", "e2e-killed")
        assert down.returncode == 0, down.stderr
        api.settle()
        assert api.account() == api.empty()

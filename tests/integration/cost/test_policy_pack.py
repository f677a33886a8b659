"""The policy pack under the real engine, with programs that go round the program's own gate."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pulumi_hcloud as hcloud
import pytest
from pulumi import automation

from stack_runtime.paths import PROJECT
from tests.integration.plugins.conftest import engine, stand_ins, surroundings
from tests.kit.engine import Stack, inline_stack
from tests.kit.hetzner.api import HetznerAPI

__all__ = ["engine", "stand_ins", "surroundings"]
PACK = Path(__file__).parents[3] / "infra" / "policy"
FRESH = {"fxRate": "1.1637", "fxDate": "2026-05-27", "allowSnapshot": "true"}
Deploy = Callable[..., Stack]


@pytest.fixture
def api() -> Iterator[HetznerAPI]:
    """An account that holds nothing."""
    with HetznerAPI() as double:
        yield double


@pytest.fixture
def deploy(surroundings: dict[str, str], api: HetznerAPI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Deploy:
    """A stack `prod` of this project around any program, with the account at hand."""
    monkeypatch.setenv("HCLOUD_TOKEN", api.token)
    monkeypatch.setenv("HCLOUD_ENDPOINT", api.endpoint)
    monkeypatch.setenv("FDS_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("FDS_PRICES_DIR", raising=False)

    def make(program: Callable[[], None], **settings: str) -> Stack:
        ours = inline_stack(tmp_path, PROJECT, "prod", program)
        given = {"host": "hetzner", **FRESH, **settings}
        ours.set_all_config({f"{PROJECT}:{key}": automation.ConfigValue(value) for key, value in given.items()})
        return ours

    return make


def _server(name: str = "server", server_type: str = "cpx42") -> None:
    hcloud.Server(name, name=name, server_type=server_type, location="fsn1", image="debian-12")


@pytest.mark.parametrize("host", ["hetzner", "local"])
def test_a_server_over_budget_is_not_made(deploy: Deploy, api: HetznerAPI, host: str) -> None:
    """Without a preview, and even where the settings claim that nothing is rented."""
    stack = deploy(_server, host=host)
    with pytest.raises(automation.CommandError, match=r"over: \$96\.93 a month, and the budget is \$50\.00"):
        stack.up(policy_packs=[str(PACK)])
    assert api.writes() == []
    with pytest.raises(automation.CommandError, match="over: "):
        stack.preview(policy_packs=[str(PACK)])
    assert api.writes() == []


def test_two_servers_that_each_fit_are_refused_together(deploy: Deploy, api: HetznerAPI) -> None:
    def program() -> None:
        _server("one", "cpx22")
        _server("two", "cpx22")

    with pytest.raises(automation.CommandError, match="over: "):
        deploy(program).up(policy_packs=[str(PACK)])
    assert len([entry for entry in api.writes() if entry.path.endswith("/servers")]) <= 1


def test_what_is_within_the_budget_is_made(deploy: Deploy, api: HetznerAPI) -> None:
    stack = deploy(lambda: _server("server", "cpx22"))
    stack.up(policy_packs=[str(PACK)])
    assert api.account()["servers"] == 1
    stack.destroy()

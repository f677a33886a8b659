"""Test `fds cost --diff` if the host of the stack changed since the revision that it compares with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer

from fds import cost
from infra.cost import Machine
from infra.cost.sources import baseline
from infra.hosts.ssh.host import SshHost
from infra.settings import Settings
from stack_runtime.paths import PROJECT

RATE = {"fxRate": "1.1637", "fxDate": "2026-10-07", "allowSnapshot": True}
PRICE = {"amount": "10", "currency": "USD", "tax": "gross", "per": "month", "date": "2026-10-01"}
HOSTS = {
    "local": {"host": "local", **RATE},
    "hetzner": {"host": "hetzner", "serverType": "cpx22", **RATE},
    "ssh": {"host": "ssh", "sshHost": "192.0.2.1", "serverPrice": PRICE, **RATE},
}
COSTS = {"local": "0.00", "hetzner": "28.49", "ssh": "10.00"}


@pytest.mark.parametrize(
    ("before", "after"),
    [("hetzner", "local"), ("hetzner", "ssh"), ("ssh", "local"), ("local", "hetzner"), ("local", "ssh")],
)
def test_comparison_with_a_revision_on_another_host_shows_both_costs(
    before: str, after: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = {f"{PROJECT}:{key}": value for key, value in HOSTS[after].items()}
    (tmp_path / "Pulumi.yaml").write_text(f"name: {PROJECT}\n")
    (tmp_path / "Pulumi.prod.yaml").write_text(json.dumps({"config": config}))
    monkeypatch.chdir(tmp_path)
    for name in ("HCLOUD_TOKEN", "FDS_PRICES_DIR", "FDS_PROJECT_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FDS_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(SshHost, "machine", lambda *_: Machine(8_000, 4, 80, architecture="x86"))
    monkeypatch.setattr(baseline, "committed", lambda *_: Settings.of("prod", HOSTS[before]))
    try:
        cost.command(stack="prod", as_json=True, diff=True)
    except typer.Exit as ended:
        raise AssertionError(capsys.readouterr().out) from ended
    plan = json.loads(capsys.readouterr().out)
    added = sum(float(change["added_usd"]) for change in plan["changes"])
    assert plan["total_usd"] == COSTS[after]
    assert round(added, 2) == round(float(COSTS[after]) - float(COSTS[before]), 2)

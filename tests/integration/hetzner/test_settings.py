"""Test the table "What each setting changes on a running server" in docs/server.md against the real Pulumi engine."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import certifi
import pytest
from pulumi.automation import EngineEvent
from pydantic.alias_generators import to_camel

from infra.engine.progress import Progress
from infra.settings import Settings
from stack_runtime.errors import RefusedError, StackError
from stack_runtime.paths import PROJECT
from tests.integration.hetzner.conftest import SETTINGS, STACK, Healing
from tests.kit.project import ROOT

pytestmark = pytest.mark.timeout(600)

ROOTS = "-----BEGIN" + Path(certifi.where()).read_text(encoding="utf-8").partition("-----BEGIN")[2]
IN_PLACE: dict[str, tuple[Any, set[tuple[str, str]]]] = {
    "serverType": ("cpx32", {("update", "Server")}),
    "backups": (True, {("update", "Server")}),
    "volumeGb": (11, {("update", "Volume")}),
    "sshFrom": (["203.0.113.0/24"], {("update", "Firewall")}),
}
"""For each setting that is changed in place: a new value, and the changes to the account that this value causes."""
BY_REPLACEMENT: dict[str, tuple[dict[str, Any], set[tuple[str, str]]]] = {
    "dnsZone": ({"dnsZone": "example.test", "domain": "data.example.test"}, {("create", "ZoneRrset")}),
}
"""For each setting whose change replaces or creates resources without data, such as DNS records: the new values of
this setting and of the settings that must change with it, and the resulting changes to the account.
"""
CONTAINERS: dict[str, Any] = {
    "profiles": ["lean", "queue"],
    "workers": 2,
    "services": {"postgres": {"memoryMb": 512}},
    "schedule": "daily",
    "executor": "celery",
    "notify": {"webhook": True},
    "domain": "data.example.org",
    "email": "me@example.org",
    "certificates": "staging",
    "certificateChallenge": "dns",
    "certificateRoot": ROOTS.partition("-----END CERTIFICATE-----")[0] + "-----END CERTIFICATE-----",
}
"""Settings that change only containers, which these tests do not create, so the account does not change."""
NOT_AT_ALL: dict[str, Any] = {
    "budgetUsd": "59",
    "budgetGroup": "other",
    "tax": "net",
    "fxRate": "1.2",
    "fxDate": "2026-11-21",
    "allowSnapshot": True,
    "snapshotGb": 1,
    "offsiteGb": 1,
    "offsiteEurPerGb": "0.01",
    "trafficTb": "2",
    "httpPort": 8081,
    "httpsPort": 8444,
    "serverImage": "debian-13",
    "registryMirror": "http://10.0.0.1:5000",
    "sshHost": "192.0.2.1",
    "sshPort": 2222,
    "sshUser": "admin",
    "serverPrice": {"amount": "9", "currency": "EUR", "tax": "gross", "per": "month", "date": "2026-10-01"},
}
REFUSED = {
    "location": ("nbg1", "in fsn1 and cannot move to nbg1"),
    "serverType": ("cax21", "is x86 and cannot become cax21"),
    "host": ("local", "is on host hetzner and cannot move to local"),
}


class Steps(Progress):
    """Collect the operations on resources of the account that the engine reports during a preview."""

    def __init__(self) -> None:
        super().__init__(None)
        self.seen: set[tuple[str, str]] = set()

    def on_event(self, event: EngineEvent) -> None:
        super().on_event(event)
        if event.resource_pre_event:
            step = event.resource_pre_event.metadata
            operation = str(getattr(step.op, "value", step.op))
            if step.type.startswith("hcloud:") and operation not in ("same", "read", "refresh"):
                self.seen.add((operation, step.type.rpartition(":")[2]))


def planned(healing: Healing, settings: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Preview a deployment with these settings; return the changes to the account, and put the old stack file back."""
    before, steps = healing.project.stack_file.read_text(), Steps()
    healing.project.configure(settings)
    try:
        deployment = healing.deployment()
        deployment.generate_secrets()
        if settings.get("certificateChallenge") == "dns":
            deployment.keep_secret(f"{PROJECT}:secrets.dns_token", "a token")
        healing.preview(steps)
    finally:
        healing.project.stack_file.write_text(before)
    return steps.seen


def documented_effects() -> dict[str, str]:
    """Return the documented effect of each setting, from docs/server.md."""
    text = (ROOT / "docs" / "server.md").read_text(encoding="utf-8")
    section = text.partition("### What each setting changes on a running server")[2].partition("\n## ")[0]
    found: dict[str, str] = {}
    for names, effect in re.findall(r"^\| (`[^|]*) \| ([^|]*) \|", section, re.MULTILINE):
        found |= dict.fromkeys(re.findall(r"`(\w+)`", names), effect)
    return found


def test_documented_effects_of_the_settings_equal_the_tested_effects() -> None:
    documented = documented_effects()
    known = {to_camel(name) for name in Settings.model_fields}
    assert documented.keys() == known, sorted(documented.keys() ^ known)
    expected = {
        **dict.fromkeys(NOT_AT_ALL, "nothing"),
        **dict.fromkeys(CONTAINERS, "containers"),
        **dict.fromkeys(BY_REPLACEMENT, "replaced"),
        **dict.fromkeys(REFUSED, "refused"),
        **dict.fromkeys(IN_PLACE, "in place"),
    }
    assert known - expected.keys() == {"stack"}, "every setting but `stack` needs a test"
    assert {name: documented[name].split(":")[0] for name in expected} == expected


@pytest.mark.parametrize("name", IN_PLACE)
def test_setting_updates_its_resource_in_the_account_in_place(healing: Healing, name: str) -> None:
    value, steps = IN_PLACE[name]
    assert planned(healing, {name: value}) == steps


def test_settings_that_change_nothing_or_only_containers_do_not_change_the_account(healing: Healing) -> None:
    assert planned(healing, NOT_AT_ALL | CONTAINERS) == set()


@pytest.mark.parametrize("name", BY_REPLACEMENT)
def test_changed_setting_replaces_or_creates_only_resources_without_data(healing: Healing, name: str) -> None:
    settings, steps = BY_REPLACEMENT[name]
    assert planned(healing, settings) == steps


@pytest.mark.parametrize("name", REFUSED)
def test_setting_that_would_replace_the_server_is_refused_before_any_write(healing: Healing, name: str) -> None:
    value, reason = REFUSED[name]
    before = len(healing.api.writes())
    healing.api.set_available("cax21", "fsn1", True)
    healing.project.configure({name: value})
    for act in (healing.preview, healing.plain_up):
        with pytest.raises(RefusedError, match=reason):
            act()
    healing.project.configure({"host": "hetzner", "location": "fsn1", **SETTINGS})
    assert len(healing.api.writes()) == before


def test_scale_refuses_to_move_a_deployed_stack_to_another_location(healing: Healing) -> None:
    done = healing.project.fds("scale", "location=nbg1", "--apply")
    assert done.returncode == 3 and "cannot move to nbg1" in done.stderr, done.stderr
    assert f"fds scale location=fsn1 --stack {STACK}" in done.stderr


@pytest.mark.slow
def test_pending_replacement_of_the_volume_in_the_pulumi_state_is_repaired(
    healing: Healing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test disables `refuse_harm`, so plain `pulumi up` detaches the volume and leaves its replacement pending."""
    monkeypatch.setattr("infra.component.stack.refuse_harm", lambda *_: None)
    healing.project.configure({"location": "nbg1"})
    with pytest.raises(StackError, match="already used"):
        healing.plain_up()
    monkeypatch.undo()
    healing.project.configure({"location": "fsn1"})
    server, volume = healing.server, healing.volume
    assert volume.server is None and healing.recorded("Volume")["pendingReplacement"]
    healing.up()
    assert (healing.server.id, healing.volume.id, healing.server.status) == (server.id, volume.id, "running")
    attached = healing.volume.server
    assert attached is not None and attached.id == server.id
    assert not healing.recorded("Volume").get("pendingReplacement") and healing.up() == {}

"""Test how commands handle what a killed deployment left: running actions, stopped servers and other resources."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
from hcloud import Client
from hcloud.images import Image
from hcloud.locations import Location
from hcloud.server_types import ServerType

from infra.engine.identity import Owner
from infra.engine.stack_operations import StackOperations
from infra.hosts.hetzner import recovery
from infra.hosts.hetzner.account import Account
from infra.operations.reconcile import reconcile
from infra.settings import Settings
from stack_runtime.errors import LockedError, UnreachableError
from stack_runtime.paths import PROJECT
from tests.kit.hetzner import HetznerAPI

SETTINGS = Settings.of("prod", {"host": "hetzner"})
IDENTITY = "one"
LABELS = {"project": PROJECT, "stack": "prod", "identity": IDENTITY}


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[HetznerAPI]:
    with HetznerAPI() as double:
        monkeypatch.setenv("HCLOUD_ENDPOINT", double.endpoint)
        monkeypatch.setenv("HCLOUD_TOKEN", double.token)
        monkeypatch.setattr(recovery, "PAUSE_S", 0.05)
        yield double


@pytest.fixture
def client(api: HetznerAPI) -> Client:
    """Return a client of an account with a stopped server and a volume, which a killed deployment left."""
    client = Client(token=api.token, api_endpoint=api.endpoint, poll_interval=0.02)
    place = Location(name="fsn1")
    made = client.servers.create(
        "box", ServerType(name="cpx22"), Image(name="debian-12"), labels=LABELS, location=place
    )
    for action in (made.action, *made.next_actions):
        action.wait_until_finished()
    made.server.power_off().wait_until_finished()
    client.volumes.create(10, "disk", location=place, labels=LABELS).action.wait_until_finished()
    return client


def sizes(account: Account) -> dict[str, object]:
    """Return the type of the server and the size of the volume in GB."""
    return {"server": account.facts["server"]["serverType"], "volume": account.facts["volume"]["size"]}


def start_resize(api: HetznerAPI, client: Client, kind: str, seconds: float) -> None:
    """Start to resize the server or the volume, and return before the resize ends."""
    api.faults.add("POST", "/actions/", 1, "slow_action", seconds=seconds)
    if kind == "server":
        client.servers.get_by_name("box").change_type(ServerType(name="cpx32"), upgrade_disk=False)
    else:
        client.volumes.get_by_name("disk").resize(20)


@pytest.mark.parametrize("kind", ["server", "volume"])
def test_running_resize_of_a_killed_deployment_is_awaited(api: HetznerAPI, client: Client, kind: str) -> None:
    assert sizes(recovery.settled(SETTINGS, IDENTITY, pytest.fail)) == {"server": "cpx22", "volume": 10}
    start_resize(api, client, kind, 2.0)
    another = Settings.of("another", {"host": "hetzner"})
    assert not recovery.settled(another, IDENTITY, pytest.fail).facts, "another stack must not wait"
    assert not recovery.settled(SETTINGS, "another", pytest.fail).facts, "another stack of the same name must not wait"
    messages: list[str] = []
    found = sizes(recovery.settled(SETTINGS, IDENTITY, messages.append))
    name, wanted = {"server": ("box", "cpx32"), "volume": ("disk", 20)}[kind]
    assert found[kind] == wanted
    assert messages == [f"waiting for the account, which is still resizing {name}"]


def test_action_that_does_not_end_in_time_is_an_error(
    api: HetznerAPI, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery, "SETTLED_S", 0.2)
    start_resize(api, client, "server", 5.0)
    with pytest.raises(UnreachableError, match="box is still being resized"):
        recovery.settled(SETTINGS, IDENTITY, lambda _: None)


def test_data_volume_on_another_server_is_not_detached(api: HetznerAPI, client: Client) -> None:
    """Detaching the volume could damage data, because the other server may be writing to the volume."""
    (box,), (disk,) = client.servers.get_all(), client.volumes.get_all()
    kind, image = ServerType(name="cpx22"), Image(name="debian-12")
    made = client.servers.create("other", kind, image, location=Location(name="fsn1"))
    for action in (made.action, *made.next_actions):
        action.wait_until_finished()
    disk.attach(made.server, automount=False).wait_until_finished()
    recorded = {"server": str(box.id), "volume": str(disk.id), "volume_attachment": str(disk.id)}
    writes = len(api.writes())
    with pytest.raises(UnreachableError, match=r"disk is attached to the server other, not to box.*; next: unmount it"):
        recovery.attach_again(SETTINGS, recorded, lambda _: None)
    assert len(api.writes()) == writes


@pytest.mark.parametrize("status", ["migrating", "rebuilding", "unknown"])
def test_server_that_stays_in_a_transitional_status_is_an_error_after_a_wait(
    api: HetznerAPI, client: Client, monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    monkeypatch.setattr(recovery, "SETTLED_S", 0.2)
    (row,) = api._account.rows["servers"].values()
    row["status"] = status
    said: list[str] = []
    with pytest.raises(UnreachableError, match=f"stays {status}; next: look at the server's console"):
        recovery.switch_on(SETTINGS, str(row["id"]), said.append)
    assert said == [f"waiting for server {row['id']}, which is {status}"]


def test_server_without_an_ipv4_address_is_reported_at_once(api: HetznerAPI, client: Client) -> None:
    (row,) = api._account.rows["servers"].values()
    row["status"] = "running"
    (address,) = (one for one in api._account.rows["primary_ips"].values() if one["type"] == "ipv4")
    address["assignee_id"] = None
    with pytest.raises(UnreachableError, match=r"has no public IPv4 address.*; next: switch it off and assign one"):
        recovery.switch_on(SETTINGS, str(row["id"]), lambda _: None)


def test_resources_without_labels_are_removed_by_the_ids_in_the_pulumi_state(api: HetznerAPI, client: Client) -> None:
    """The server has no labels, so only its id identifies it. A volume labelled with another identity is kept."""
    (server,), (volume,) = client.servers.get_all(), client.volumes.get_all()
    server.change_protection(delete=True, rebuild=True).wait_until_finished()
    volume.change_protection(delete=True).wait_until_finished()
    server.update(labels={})
    recorded = {"server": str(server.id), "volume": str(volume.id)}
    for labels in ({**LABELS, "identity": "another"}, {}):
        volume.update(labels=labels)
        recovery.lift_protection(SETTINGS, IDENTITY, recorded, volumes=True)
        removed = recovery.remove_leftovers(SETTINGS, IDENTITY, recorded, volumes=True)
        assert removed["volume"] == ([] if labels else ["disk"])
    api.settle()
    assert api.account()["servers"] == api.account()["volumes"] == 0


class _OvertakenDeployment:
    """Double of a deployment. While it waits for running resizes to end, another deployment takes the stack's lock."""

    settings = SETTINGS
    owner = Owner(IDENTITY, dict)
    project = Path()
    locked = False

    def settled(self, *_: object) -> Account:
        self.locked = True
        return Account()

    def refuse_locked(self) -> None:
        if self.locked:
            raise LockedError("another deployment", next_command="wait")

    def refuse_another_host(self) -> None:
        """Raise no error, because the Pulumi state has the same host as the settings."""

    def recorded(self) -> None:
        assert self.locked, "the state must be read after the wait, because it may change during the wait"


def test_deployment_stops_if_another_deployment_took_the_lock_during_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = _OvertakenDeployment()
    monkeypatch.setattr(recovery, "settled", waiting.settled)
    monkeypatch.setattr("infra.operations.reconcile.claim", lambda *_, **__: None)
    with pytest.raises(LockedError):
        reconcile(cast(StackOperations, waiting), lambda _: None)

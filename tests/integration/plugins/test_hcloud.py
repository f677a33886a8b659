"""Test the stand-in for the hcloud provider with the real Pulumi engine and the test double of the Hetzner API."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pulumi
import pulumi_hcloud
import pytest
from hcloud import Client
from pulumi.automation.errors import CommandError

from tests.integration.plugins.conftest import Stacks
from tests.integration.plugins.hcloud_program import KEY, Account, number
from tests.kit.engine import changes
from tests.kit.hetzner import HetznerAPI

TYPES = ("cx23", "cx33")


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[HetznerAPI]:
    with HetznerAPI(action_seconds=0.01) as double:
        for key, value in double.environment.items():
            monkeypatch.setenv(key, value)
        for server_type in TYPES:
            double.set_available(server_type, "fsn1", True)
        yield double


@pytest.fixture
def stack(inline: Stacks, api: HetznerAPI) -> Stacks:
    """Return a function that creates stacks.

    No stack is destroyed afterwards, because its resources disappear with the double of the API.
    """
    return inline


@pytest.mark.slow
def test_stack_with_eleven_resource_types_is_created_updated_and_destroyed(stack: Stacks, api: HetznerAPI) -> None:
    account = Account()
    ours = stack(account)
    assert ours.preview().change_summary == {"create": 13}
    assert not api.writes(), "the preview sent a write"

    made = ours.up()
    assert changes(made) == {"create": 13}
    assert "hidden" not in made.stdout
    assert api.account()["servers"] == api.account()["volumes"] == 1

    written = len(api.writes())
    assert changes(ours.up()) == {}
    assert changes(ours.refresh()) == {}
    assert changes(ours.up()) == {}
    assert len(api.writes()) == written, "an update without a change sent a write"

    account.server = {"server_type": "cx33", "keep_disk": True, "delete_protection": True, "rebuild_protection": True}
    account.size = 20
    assert changes(ours.up()) == {"update": 2}
    steps = [entry.path.rsplit("/", maxsplit=1)[-1] for entry in api.writes()[written:] if "/servers/" in entry.path]
    assert steps == ["poweroff", "change_type", "change_protection"]

    with pytest.raises(CommandError, match=r"server is protected \(protected\b"):
        ours.destroy()
    account.server |= {"delete_protection": False, "rebuild_protection": False}
    account.size = 10
    with pytest.raises(CommandError, match=r"\(invalid_input\b"):
        ours.up()
    account.size = 20
    ours.refresh()  # replace the refused size, which the failed update stored in the Pulumi state
    ours.up()
    ours.destroy()
    assert api.account() == api.empty()


@pytest.mark.slow
def test_server_is_imported_by_its_id_without_a_write(stack: Stacks, api: HetznerAPI) -> None:
    hidden = ["userData", "sshKeys", "keepDisk"]

    def server(**options: Any) -> None:
        made = pulumi_hcloud.Server(
            "server",
            name="server",
            server_type="cx23",
            image="debian-12",
            location="fsn1",
            user_data="#cloud-config\n",
            keep_disk=True,
            opts=pulumi.ResourceOptions(ignore_changes=hidden, **options),
        )
        pulumi.export("id", made.id)

    lost = stack(server, "lost")
    found = str(lost.up().outputs["id"].value)
    written = len(api.writes())
    assert changes(stack(lambda: server(import_=found), "adopting").up()) == {"create": 1, "import": 1}
    assert changes(stack(server, "adopting").up()) == {}
    assert len(api.writes()) == written
    assert api.account()["servers"] == 1


def test_server_that_was_deleted_outside_the_stack_is_created_again(stack: Stacks, api: HetznerAPI) -> None:
    ours = stack(lambda: pulumi_hcloud.Server("s", server_type="cx23", image="debian-12", location="fsn1") and None)
    ours.up()
    client = Client(api.token, api.endpoint, poll_interval=0.02)
    (server,) = client.servers.get_all()
    server.delete().wait_until_finished()
    assert changes(ours.refresh()) == {"delete": 1}
    assert changes(ours.up()) == {"create": 1}


@pytest.mark.parametrize("fault", ["429", "502"])
def test_request_that_the_api_answers_with_429_or_502_is_repeated(stack: Stacks, api: HetznerAPI, fault: str) -> None:
    api.faults.add("POST", "/ssh_keys", 1, fault)
    ours = stack(lambda: pulumi_hcloud.SshKey("key", public_key=KEY) and None)
    assert changes(ours.up()) == {"create": 2}
    assert api.account()["ssh_keys"] == 1


def test_update_fails_if_the_api_is_unavailable_and_the_next_update_succeeds(stack: Stacks, api: HetznerAPI) -> None:
    api.faults.add("POST", "/ssh_keys", 1, "503")
    ours = stack(lambda: pulumi_hcloud.SshKey("key", public_key=KEY) and None)
    with pytest.raises(CommandError, match=r"\(unavailable\b"):
        ours.up()
    assert changes(ours.up()) == {"create": 1}


class FirewallProgram:
    """A program with a firewall; tests can change the rule between updates."""

    def __init__(self, source: str) -> None:
        self.source = source

    def __call__(self) -> None:
        rule = {"direction": "in", "protocol": "tcp", "port": "22", "source_ips": [self.source]}
        pulumi_hcloud.Firewall("firewall", rules=[rule])


def _sources(api: HetznerAPI) -> list[str]:
    """Return the source networks of the firewall's rule in the account."""
    (firewall,) = Client(api.token, api.endpoint).firewalls.get_all()
    return list((firewall.rules or [])[0].source_ips)


def _recorded(stack: Any, kind: str) -> dict[str, Any]:
    """Return the Pulumi state of the only resource of this kind."""
    resources = stack.export_stack().deployment["resources"]
    return dict(next(item for item in resources if item["type"].endswith(f":{kind}")))


@pytest.mark.parametrize("fault", ["503", *(pytest.param(fault, marks=pytest.mark.slow) for fault in ("423", "cut"))])
def test_rules_of_a_failed_firewall_update_are_stored_in_the_state_as_applied(
    stack: Stacks, api: HetznerAPI, fault: str
) -> None:
    """As with the official provider, later updates write nothing; only a refresh finds that the old rules apply."""
    program = FirewallProgram("0.0.0.0/0")
    ours = stack(program)
    ours.up()
    program.source = "10.0.0.0/8"
    api.faults.add("POST", "/actions/set_rules", 1, fault)
    with pytest.raises(CommandError):
        ours.up()
    recorded = _recorded(ours, "Firewall")
    assert recorded["initErrors"]
    assert [rule["sourceIps"] for rule in recorded["outputs"]["rules"]] == [["10.0.0.0/8"]]
    written = len(api.writes())
    assert changes(ours.up()) == {"update": 1}
    assert changes(ours.up()) == {}
    assert (len(api.writes()), _sources(api)) == (written, ["0.0.0.0/0"])
    ours.refresh()
    ours.up()
    assert _sources(api) == ["10.0.0.0/8"]


def test_protection_that_could_not_be_enabled_at_creation_is_stored_in_the_state_as_enabled(
    stack: Stacks, api: HetznerAPI
) -> None:
    ours = stack(lambda: pulumi_hcloud.Volume("v", size=10, location="fsn1", delete_protection=True) and None)
    api.faults.add("POST", "/actions/change_protection", 1, "503")
    with pytest.raises(CommandError, match="unavailable"):
        ours.up()
    assert _recorded(ours, "Volume")["outputs"]["deleteProtection"] is True
    assert changes(ours.up()) == {"update": 1}
    (volume,) = Client(api.token, api.endpoint).volumes.get_all()
    assert volume.protection == {"delete": False}


def test_destroy_and_refresh_fail_if_a_subnet_was_deleted_outside_the_stack(stack: Stacks, api: HetznerAPI) -> None:
    def program() -> None:
        network = pulumi_hcloud.Network("network", ip_range="10.0.0.0/16")
        pulumi_hcloud.NetworkSubnet(
            "subnet", network_id=number(network), type="cloud", network_zone="eu-central", ip_range="10.0.1.0/24"
        )

    ours = stack(program)
    ours.up()
    client = Client(api.token, api.endpoint, poll_interval=0.02)
    (network,) = client.networks.get_all()
    network.delete_subnet((network.subnets or [])[0]).wait_until_finished()
    for act in (ours.destroy, ours.refresh):
        with pytest.raises(CommandError):
            act()
    assert api.account()["networks"] == 1


def test_volume_whose_location_changed_has_a_pending_replacement_in_the_state(stack: Stacks, api: HetznerAPI) -> None:
    """The replacement cannot be created, because the old volume is retained and still has the name.

    The replacement stays pending even if the program sets the old location again.
    """
    place = ["fsn1"]

    def program() -> None:
        kept = pulumi.ResourceOptions(retain_on_delete=True)
        pulumi_hcloud.Volume("v", name="data", size=10, location=place[0], opts=kept)

    ours = stack(program)
    ours.up()
    place[0] = "nbg1"
    with pytest.raises(CommandError, match="uniqueness_error"):
        ours.up()
    assert _recorded(ours, "Volume")["pendingReplacement"] is True
    place[0] = "fsn1"
    with pytest.raises(CommandError, match="uniqueness_error"):
        ours.up()


@pytest.mark.parametrize("source", ["10.1.2.3/8", "fe80::1/64"])
def test_invalid_network_in_a_rule_is_refused_in_the_preview(stack: Stacks, api: HetznerAPI, source: str) -> None:
    rule = {"direction": "in", "protocol": "tcp", "port": "22", "source_ips": [source]}
    with pytest.raises(CommandError, match=re.escape(source)):
        stack(lambda: pulumi_hcloud.Firewall("firewall", rules=[rule]) and None).preview()


def test_error_for_a_server_that_is_sold_out_has_the_message_and_code_of_the_api(
    stack: Stacks, api: HetznerAPI
) -> None:
    api.set_available("cx23", "fsn1", False)
    with pytest.raises(CommandError, match=r"unavailable.* \(resource_unavailable\b"):
        stack(lambda: pulumi_hcloud.Server("s", server_type="cx23", image="debian-12", location="fsn1") and None).up()


def test_error_for_a_wrong_token_says_unauthorized_or_states_how_long_a_token_must_be(
    stack: Stacks, api: HetznerAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = stack(lambda: pulumi_hcloud.SshKey("key", public_key=KEY) and None)
    monkeypatch.setenv("HCLOUD_TOKEN", "x" * 64)
    with pytest.raises(CommandError, match=r"\(unauthorized\b"):
        ours.up()
    monkeypatch.setenv("HCLOUD_TOKEN", "short")
    with pytest.raises(CommandError, match="exactly 64 characters"):
        ours.up()

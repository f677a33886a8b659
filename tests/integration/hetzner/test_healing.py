"""Test `fds up` and `fds down` with the real Pulumi engine after failed writes to the account and manual changes."""

from __future__ import annotations

import pytest
from hcloud.firewalls import FirewallResource, FirewallRule
from hcloud.servers import Server

from infra import image_digests
from infra.engine.stack_operations import StackOperations
from infra.image_digests import Pinning
from stack_runtime.errors import RefusedError, StackError, UnreachableError
from tests.integration.hetzner.conftest import Healing

pytestmark = pytest.mark.timeout(600)

HOME, OFFICE = "203.0.113.7/32", "198.51.100.0/24"
ON = {"delete": True, "rebuild": True}


def is_complete(healing: Healing) -> bool:
    """Return whether server, volume and network in the account are as after a complete deployment."""
    server, volume = healing.server, healing.volume
    (network,) = healing.client.networks.get_all()
    healing.ssh_from()  # asserts that the firewall is attached to the server
    return (
        (server.protection, volume.protection, server.status) == (ON, {"delete": True}, "running")
        and volume.server is not None
        and volume.server.id == server.id
        and len(network.subnets) == len(server.private_net or ()) == 1
    )


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["503", "423", "500", "500_after", "cut", "cut_after", "action_error"])
def test_firewall_rules_are_applied_although_the_first_write_of_the_rules_fails(healing: Healing, fault: str) -> None:
    """After an API failure, `up` must compare the settings with the account, not only with the Pulumi state."""
    healing.project.configure({"sshFrom": [HOME]})
    healing.api.faults.add("POST", "/actions/set_rules", 1, fault)
    try:
        healing.up()
    except StackError:
        assert fault == "action_error"
        healing.up()
    assert healing.ssh_from() == [HOME]
    assert is_complete(healing) and healing.up() == {}


@pytest.mark.slow
def test_fds_up_applies_firewall_rules_that_plain_pulumi_recorded_but_did_not_apply(healing: Healing) -> None:
    """After a failed and repeated plain `pulumi up`, only the Pulumi state has the new rules, not the account."""
    healing.project.configure({"sshFrom": [OFFICE]})
    healing.api.faults.add("POST", "/actions/set_rules", 1, "503")
    with pytest.raises(UnreachableError):
        healing.plain_up()
    healing.plain_up()
    assert not healing.recorded("Firewall").get("initErrors") and healing.ssh_from() != [OFFICE]
    healing.up()
    assert healing.ssh_from() == [OFFICE]


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["503", "cut"])
def test_deletion_protection_is_switched_on_although_the_first_two_requests_fail(empty: Healing, fault: str) -> None:
    empty.api.faults.add("POST", "/(servers|volumes)/[0-9]+/actions/change_protection", 2, fault)
    empty.up()
    assert is_complete(empty) and empty.up() == {}


@pytest.mark.slow
def test_detached_firewall_is_attached_again(healing: Healing) -> None:
    firewall, server = healing.firewall, healing.server
    use = FirewallResource(type=FirewallResource.TYPE_SERVER, server=Server(id=server.id))
    for action in healing.client.firewalls.remove_from_resources(firewall, [use]):
        action.wait_until_finished()
    healing.api.faults.add("POST", "/actions/apply_to_resources", 1, "503")
    healing.up()
    assert is_complete(healing)


@pytest.mark.slow
def test_up_after_an_interrupted_down_switches_deletion_protection_on_again(healing: Healing) -> None:
    healing.api.faults.add("DELETE", "/servers/", 1, "forbidden")
    with pytest.raises(StackError):
        healing.down()
    assert healing.server.protection == {"delete": False, "rebuild": False}
    healing.up()
    assert is_complete(healing)


@pytest.mark.slow
def test_firewall_setting_is_applied_after_an_interrupted_down(healing: Healing) -> None:
    """The interrupted `down` detaches the volume.

    Without it, Pulumi cannot update only the firewall, as `up` otherwise does before it waits for the server.
    """
    healing.api.faults.add("DELETE", "/servers/", 1, "forbidden")
    with pytest.raises(StackError):
        healing.down()
    healing.project.configure({"sshFrom": [HOME]})
    healing.up()
    assert healing.ssh_from() == [HOME] and is_complete(healing)


@pytest.mark.slow
def test_firewall_setting_is_applied_after_an_up_that_did_not_attach_the_volume(empty: Healing) -> None:
    empty.api.faults.add("POST", "/volumes/[0-9]+/actions/attach", 1, "forbidden")
    with pytest.raises(StackError):
        empty.up()
    empty.project.configure({"sshFrom": [OFFICE]})
    empty.up()
    assert empty.ssh_from() == [OFFICE] and is_complete(empty)


@pytest.mark.slow
def test_changes_made_in_the_console_are_repaired(healing: Healing) -> None:
    healing.volume.change_protection(delete=False).wait_until_finished()
    rule = FirewallRule("in", "tcp", ["0.0.0.0/0"], port="1-65535")
    for action in healing.client.firewalls.set_rules(healing.firewall, [rule]):
        action.wait_until_finished()
    healing.up()
    assert is_complete(healing)
    assert sorted(str(rule.port) for rule in healing.firewall.rules or ()) == ["22", "443", "80"]


@pytest.mark.slow
def test_up_ends_with_an_error_if_the_firewall_loses_its_rules_after_each_write(healing: Healing) -> None:
    """Simulate a firewall that loses its rules each time that `fds up` writes them."""
    elsewhere = "198.51.100.7/32"  # no other test uses it, so the rules must be written
    healing.project.configure({"sshFrom": [elsewhere]})

    def opened() -> None:
        write = healing.api.writes()[-1]
        if write.path.endswith("set_rules") and write.body["rules"][0]["source_ips"] == [elsewhere]:
            rows = healing.api._account.rows["firewalls"].values()
            next(iter(rows))["rules"] = []
        healing.api.on_write(1, opened)

    healing.api.on_write(1, opened)
    says = r"the firewall has other rules than the settings.*next: look at it in the Hetzner console"
    with pytest.raises(UnreachableError, match=says):
        healing.up()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["subnet", "server network", "volume attachment"])
def test_resources_removed_from_the_account_are_created_again(healing: Healing, kind: str) -> None:
    (network,) = healing.client.networks.get_all()
    before = healing.server.id
    if kind == "volume attachment":
        healing.volume.detach().wait_until_finished()
    else:
        healing.server.detach_from_network(network).wait_until_finished()
    if kind == "subnet":
        network.delete_subnet(network.subnets[0]).wait_until_finished()
    healing.up()
    assert is_complete(healing) and healing.server.id == before
    assert healing.up() == {}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "path", "fault"),
    [
        ("POST", "delete_subnet", "cut_after"),
        ("DELETE", "^/firewalls", "503_after"),
        ("DELETE", "^/servers", "cut_after"),
    ],
)
def test_down_succeeds_if_a_write_took_effect_but_its_response_is_lost_or_503(
    empty: Healing, method: str, path: str, fault: str
) -> None:
    empty.up()
    empty.api.faults.add(method, path, 1, fault)
    empty.down()
    empty.api.settle()
    assert empty.api.account() == empty.api.empty()


@pytest.mark.slow
def test_down_succeeds_if_the_subnet_in_the_pulumi_state_is_gone_from_the_account(empty: Healing) -> None:
    empty.up()
    (network,) = empty.client.networks.get_all()
    empty.server.detach_from_network(network).wait_until_finished()
    network.delete_subnet(network.subnets[0]).wait_until_finished()
    empty.down()
    assert f"subnet {network.id}-10.80.1.0/24 is gone from the account; removing it from the state" in empty.said
    assert empty.api.account() == empty.api.empty()


@pytest.mark.slow
def test_image_digests_are_locked_as_soon_as_docker_on_the_server_answers(
    empty: Healing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Docker answers only after the server is created, so digests can be locked only after the deployment.

    If any digest was locked, the same `fds up` deploys a second time.
    """
    steps: list[str] = []
    up = StackOperations.up
    answers = [Pinning({"postgres:15": "sha256:1"}, {}), Pinning({}, {"traefik:v3.7": "no registry"})]

    def deployed(operations: StackOperations) -> dict[str, int]:
        steps.append("up")
        return up(operations)

    def complete(*_: object) -> Pinning:
        steps.append("lock")
        return answers.pop(0)

    monkeypatch.setattr(StackOperations, "up", deployed)
    monkeypatch.setattr(image_digests, "complete", complete)
    assert empty.up()["create"] > 5
    assert steps == ["up", "lock", "up"]
    assert "pinned postgres:15 in images.lock.yaml, which belongs in version control" in empty.said
    assert empty.up() == {}
    assert steps[3:] == ["lock", "up"]
    assert [line for line in empty.said if "pinned" in line] == ["not pinned by digest: traefik:v3.7 (no registry)"]


def test_firewall_is_changed_before_the_wait_for_the_server(healing: Healing, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this machine has a new address, the server can be reached from it only after the change of the firewall."""
    healing.project.configure({"sshFrom": [OFFICE]})
    healing.up()
    healing.project.configure({"sshFrom": [HOME]})
    let_in: list[list[str]] = []

    def waits(*_: object, hint: str, measure: bool = False) -> None:
        let_in.append(healing.ssh_from())
        assert hint == f"the firewall allows SSH only from {HOME} (setting sshFrom)"

    for module in ("stack_runtime.remote.ready", "infra.hosts.hetzner.server"):
        monkeypatch.setattr(f"{module}.wait_until_ready", waits)
    healing.up()
    assert let_in and set(map(tuple, let_in)) == {(HOME,)}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("resource_limit_exceeded", "a limit of the Hetzner project is reached"),
        ("token_readonly", "token is read-only"),
    ],
)
def test_reached_limit_or_read_only_token_is_named_in_the_error(healing: Healing, fault: str, says: str) -> None:
    healing.project.configure({"volumeGb": 11})
    healing.api.faults.add("POST", "/actions/resize", 1, fault)
    with pytest.raises(UnreachableError, match=says) as caught:
        healing.up()
    assert caught.value.next_command
    healing.project.configure({"volumeGb": 10})
    healing.up()
    assert healing.volume.size == 10


@pytest.mark.slow
@pytest.mark.parametrize("withdrawn", [True, False], ids=["withdrawn", "sold out"])
def test_refused_resize_leaves_the_server_running_and_names_another_type(empty: Healing, withdrawn: bool) -> None:
    empty.up()
    empty.project.configure({"serverType": "cpx32"})
    gone = empty.api.withdraw if withdrawn else lambda kind: empty.api.set_available(kind, "fsn1", False)
    empty.api.on_write(1, lambda: gone("cpx32"), "before")
    says = "cpx32 in fsn1 cannot be ordered any more" if withdrawn else "cpx32 in fsn1 is sold out"
    with pytest.raises(RefusedError, match=says) as caught:
        empty.up()
    assert "serverType=cpx22" in caught.value.next_command
    assert (empty.server.server_type.name, empty.server.status) == ("cpx22", "running")


def test_server_of_a_withdrawn_type_is_kept_with_its_price_and_can_become_another_type(empty: Healing) -> None:
    empty.up()
    empty.api.withdraw("cpx22")
    assert empty.up() == {} and empty.delivered[-1].verdict == "within"
    empty.project.configure({"serverType": "cpx32"})
    empty.up()
    assert empty.server.server_type.name == "cpx32" and is_complete(empty)


def test_planned_cost_is_sent_to_the_dashboard_with_the_creation_time_of_the_server(healing: Healing) -> None:
    healing.up()
    plan = healing.delivered[-1]
    assert plan.server_created_at == healing.server.created
    assert plan.paid and plan.verdict == "within"
    assert plan.total_usd == sum(line.monthly_usd or 0 for line in plan.lines if line.by_the_hour)
    assert plan.prices and plan.rate

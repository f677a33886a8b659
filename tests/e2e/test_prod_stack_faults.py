"""Test that `fds up` recovers the prod stack from each fault or names the next step, and that `fds down` removes it.

The tests depend on their order, and continue with the server that `test_prod_stack_agents.py` used.
"""

from __future__ import annotations

import getpass
import shutil
import time
from pathlib import Path

import pytest
from hcloud import Client

from tests.e2e.killing import deploy_with_kills
from tests.e2e.prod import LEAN, STACK, Prod, assert_refused
from tests.kit.hetzner.scan import open_ports
from tests.kit.https import Visitor, assert_guarded
from tests.kit.project import SAMPLE

pytestmark = pytest.mark.timeout(1500)

OTHER = {"cpx22": "cpx32", "cpx32": "cpx22"}
EVERYWHERE = ["0.0.0.0/0", "::/0"]
HEALTHY = dict.fromkeys(LEAN, "healthy")
FILL = "fallocate --length $(($(stat --file-system --format '%f * %S' /mnt/data) - 1048576)) /mnt/data/fill;" \
       "cat /dev/zero > /mnt/data/rest 2> /dev/null || true"  # fmt: skip


def _type(prod: Prod) -> str:
    """Return the type of the server."""
    return str(prod.server.server_type.name)


def _file_system_gb(prod: Prod) -> int:
    """Return the size of the data volume's file system in GB."""
    return int(prod.console("df", "--output=size", "--block-size=GB", "/mnt/data").split()[-1].removesuffix("GB"))


def test_up_over_budget_is_refused_before_any_write(prod: Prod) -> None:
    before = len(prod.api.writes())
    prod.project.configure({"budgetUsd": "20"})
    result = prod.project.fds("up")
    prod.project.configure({"budgetUsd": "60"})
    assert_refused(result, 3, "over the budget of $20.00")
    assert len(prod.api.writes()) == before


def test_error_about_a_wrong_or_missing_token_names_hcloud_token(prod: Prod) -> None:
    assert_refused(prod.project.fds("up", HCLOUD_TOKEN="0" * 64), 5, "HCLOUD_TOKEN")
    assert_refused(prod.project.fds("up", HCLOUD_TOKEN=""), 5, "HCLOUD_TOKEN is not set")


def test_host_key_that_differs_from_the_pinned_key_is_refused(prod: Prod) -> None:
    key = "/etc/ssh/ssh_host_ed25519_key"
    prod.console(
        "sh", "-c", f"mkdir /root/kept && cp {key}* /root/kept && rm {key}* && ssh-keygen -qt ed25519 -N '' -f {key}"
    )
    prod.console("systemctl", "reload", "ssh")
    assert_refused(prod.project.fds("status"), 5, "Host key verification failed")
    assert_refused(prod.project.fds("up"), 5, "not the pinned host key")
    prod.console("sh", "-c", "cp /root/kept/* /etc/ssh/ && systemctl reload ssh")
    assert prod.health() == HEALTHY


def test_server_type_with_a_smaller_disk_is_refused(prod: Prod) -> None:
    before = len(prod.api.writes())
    prod.api.set_available("cx23", "fsn1", True)
    prod.project.configure({"serverType": "cx23"})
    result = prod.project.fds("up")
    prod.api.set_available("cx23", "fsn1", False)
    prod.project.configure({"serverType": _type(prod)})
    assert_refused(result, 3, "80 GB cannot shrink to the 40 GB of cx23")
    assert len(prod.api.writes()) == before


@pytest.mark.slow
def test_sold_out_server_type_leaves_the_old_server_running(prod: Prod) -> None:
    before = _type(prod)
    prod.project.configure({"serverType": OTHER[before]})
    prod.api.faults.add("POST", "/actions/change_type", 1, "412")
    assert_refused(prod.project.fds("up"), 3, "sold out", "fds scale")
    prod.project.configure({"serverType": before})
    assert (prod.server.status, _type(prod)) == ("running", before)
    assert prod.reaches_health(HEALTHY), "the services did not start again with the server"


@pytest.mark.slow
@pytest.mark.usefixtures("first_run")
def test_killed_change_of_the_server_type_is_completed_and_keeps_the_data(prod: Prod) -> None:
    rows, containers, other = prod.rows(), prod.containers(), OTHER[_type(prod)]
    prod.project.configure({"serverType": other})
    steps = {f"POST /servers/N/actions/{action}" for action in ("poweroff", "change_type")}
    assert deploy_with_kills(prod, steps) == steps
    assert (prod.server.status, _type(prod)) == ("running", other)
    assert prod.health() == HEALTHY
    assert (prod.rows(), prod.containers(), prod.servers_created()) == (rows, containers, 1)
    assert prod.project.json("up")["changed"] == 0


@pytest.mark.slow
@pytest.mark.usefixtures("first_run")
def test_file_system_grows_with_the_volume_even_if_the_deployment_is_killed(prod: Prod) -> None:
    rows = prod.rows()
    prod.project.configure({"volumeGb": 11})
    steps = {"POST /volumes/N/actions/resize"}
    assert deploy_with_kills(prod, steps) == steps
    assert (prod.rows(), _file_system_gb(prod)) == (rows, 11)
    prod.project.configure({"volumeGb": 10})
    result = prod.project.fds("up")
    prod.project.configure({"volumeGb": 11})
    assert_refused(result, 3, "cannot shrink to 10 GB", f"next: fds scale volumeGb=11 --stack {STACK}")


def test_error_about_a_second_concurrent_deployment_names_the_user_of_the_first(prod: Prod) -> None:
    prod.project.configure({"sshFrom": ["127.0.0.0/8"]})
    prod.api.faults.add("POST", "/actions/set_rules", 1, "pause_before")
    first = prod.start("up", "--json")
    prod.api.faults.wait_paused()
    second = prod.project.fds("up")
    prod.api.faults.release()
    stdout, stderr = first.communicate(timeout=300)
    assert_refused(second, 7, getpass.getuser(), "since 20", "pulumi cancel")
    assert first.returncode == 0, stdout + stderr
    assert prod.ssh_from() == ["127.0.0.0/8"]


@pytest.mark.slow
def test_up_repeats_requests_that_the_api_answers_with_429_or_503(prod: Prod) -> None:
    allowed = ["127.0.0.0/8"] if prod.ssh_from() == EVERYWHERE else []
    prod.project.configure({"sshFrom": allowed})
    faults = {"GET /servers": "503", "GET /pricing": "429", "POST /actions/set_rules": "503"}
    for request, kind in faults.items():
        method, path = request.split()
        prod.api.faults.add(method, f"{path}$", 2, kind)
    before = len(prod.api.journal)
    prod.project.json("up")
    statuses = [entry.status for entry in prod.api.journal[before:]]
    assert (statuses.count(503), statuses.count(429)) == (4, 2)
    assert prod.ssh_from() == (allowed or EVERYWHERE)


@pytest.mark.slow
def test_repeated_up_adds_a_profile_after_a_full_disk_and_a_reboot_during_the_deployment(prod: Prod) -> None:
    before = prod.containers()
    prod.project.configure({"profiles": ["lean", "queue"]})
    prod.console("sh", "-c", FILL)
    full = prod.project.fds("up")
    prod.console("rm", "--force", "/mnt/data/fill", "/mnt/data/rest")
    assert_refused(full, 5, "disk of the host is full", "make room")
    process = prod.start("up")
    for line in process.stderr or ():
        if "created Volume redis" in line or "Container" in line:
            prod.console("systemctl", "--no-block", "reboot")
            break
    _, stderr = process.communicate(timeout=300)
    assert process.returncode in (0, 5) and "Traceback" not in stderr
    prod.project.json("up")
    assert prod.health() == {**HEALTHY, "redis": "healthy"}
    assert {name: prod.containers()[name] for name in LEAN} == {name: before[name] for name in LEAN}


@pytest.mark.slow
def test_removed_profile_leaves_the_other_containers_unchanged(prod: Prod) -> None:
    before = prod.containers()
    prod.project.configure({"profiles": ["lean"]})
    prod.project.json("up")
    after = prod.containers()
    assert sorted(after) == ["files", *LEAN]
    assert {name: after[name] for name in LEAN} == {name: before[name] for name in LEAN}


@pytest.mark.slow
def test_up_fails_if_ssh_breaks_during_a_build_and_the_next_up_succeeds(prod: Prod) -> None:
    dockerfile = "data_stack/images/streamlit/Dockerfile"
    prod.edit(dockerfile, "USER 10001:10001", "RUN sleep 60\nUSER 10001:10001")
    process = prod.start("up")
    while not prod.console("sh", "-c", "pgrep --exact --full 'sleep 60' || true"):
        assert process.poll() is None, process.communicate()
        time.sleep(0.5)
    # End every SSH connection; `|| true` ignores the failure of `kill` for a connection that has just ended by itself.
    prod.console("sh", "-c", "for pid in $(pgrep --full '^sshd: deploy'); do kill $pid || true; done")
    _, stderr = process.communicate(timeout=300)
    assert process.returncode == 5 and "which goes on where this one stopped" in stderr, stderr
    prod.edit(dockerfile, "RUN sleep 60\nUSER 10001:10001", "USER 10001:10001")
    prod.project.json("up")
    assert sorted(prod.containers()) == ["files", *LEAN], "the container of the interrupted build was not removed"


@pytest.mark.slow
def test_up_creates_a_deleted_firewall_network_and_ssh_key_again(prod: Prod) -> None:
    api = Client(token=prod.api.token, api_endpoint=prod.api.endpoint)
    (firewall,), (network,), (key,) = api.firewalls.get_all(), api.networks.get_all(), api.ssh_keys.get_all()
    for action in api.firewalls.remove_from_resources(firewall, firewall.applied_to or []):
        action.wait_until_finished()
    for each in (firewall, network, key):
        each.delete()
    containers = prod.containers()
    stdout = prod.project.fds("up").stderr
    for kind, each in {"firewall": firewall, "network": network, "ssh key": key}.items():
        assert f"{kind} {each.id} is gone from the account" in stdout, stdout
    assert prod.resource_counts() == {
        **prod.resource_counts(),
        "servers": 1,
        "firewalls": 1,
        "networks": 1,
        "ssh_keys": 1,
    }
    public = prod.server.public_net
    assert public is not None and len(public.firewalls or ()) == len(prod.server.private_net or ()) == 1
    assert open_ports(prod.machines.bridge_address(prod.server.id)) == {22, 80, 443}
    assert (prod.containers(), prod.servers_created(), prod.project.json("up")["changed"]) == (containers, 1, 0)


@pytest.mark.slow
@pytest.mark.usefixtures("first_run")
def test_up_replaces_a_deleted_server_and_keeps_the_data(prod: Prod, visitor: Visitor) -> None:
    rows, gone, name = prod.rows(), prod.server, prod.uis()[0]
    assert visitor.wait_for(name, 60), "no certificate was issued"
    address, certificate = prod.api.resolve(name), visitor.serial(name)
    gone.change_protection(delete=False, rebuild=False).wait_until_finished()
    gone.delete().wait_until_finished()
    assert_refused(prod.project.fds("status"), 5, "SSH to")
    prod.project.json("up")
    assert prod.server.id != gone.id and prod.servers_created() == 2
    assert (prod.health(), prod.rows()) == (HEALTHY, rows)
    assert prod.api.resolve(name) != address, "the name still resolves to the old server"
    assert_guarded(visitor, name, prod.secrets()["ui_password"])
    assert visitor.serial(name) == certificate, "the new server did not reuse the certificate on the data volume"
    assert prod.project.json("run", "--csv", str(SAMPLE))["published"]
    assert prod.project.json("up")["changed"] == 0


def test_down_without_confirmation_is_refused(prod: Prod) -> None:
    assert_refused(prod.project.fds("down", "--confirm", "another"), 2, "not confirmed")
    assert_refused(prod.project.fds("down"), 2, f"--confirm {STACK}")
    assert prod.server.protection == {"delete": True, "rebuild": True}
    assert prod.resource_counts()["servers"] == 1


def test_down_with_an_unreachable_server_leaves_only_volume_and_dns_zone(prod: Prod, tmp_path: Path) -> None:
    state = prod.project.folder / ".fds" / "state"
    shutil.copytree(state, tmp_path / "state")
    prod.console("systemctl", "stop", "ssh", "docker.socket", "docker")
    down = prod.project.fds("down", "--confirm", STACK)
    assert down.returncode == 0, down.stderr
    prod.api.settle()
    assert prod.resource_counts() == {"volumes": 1, "zones": 1, "rrsets": 2}, "data volume and existing zone must stay"
    # Restore the Pulumi state from before `fds down`: it lists a server that is gone, as if deleted in the web console.
    shutil.rmtree(state)
    shutil.copytree(tmp_path / "state", state)
    gone = prod.project.fds("down", "--volumes", "--confirm", STACK)
    assert gone.returncode == 0 and "is gone from the account" in gone.stderr, gone.stderr
    prod.api.settle()
    assert prod.resource_counts() == {"zones": 1, "rrsets": 2}

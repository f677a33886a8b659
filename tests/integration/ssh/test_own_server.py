"""Deploy to a server that its owner already has, from first contact to removal; the tests run in file order."""

from __future__ import annotations

import json
import subprocess
import time

import pytest

from tests.integration.ssh.conftest import PRICE, STACK, OwnServer

pytestmark = pytest.mark.timeout(900)

LEAN = ["pipeline", "postgres", "streamlit", "traefik"]
OTHER_CONTENT = "0123456789abcdef"
"""Tag of images that these tests create. It differs from the tags of deployments, which are digests of the sources."""


def refused(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    """Check that the command ended with `code`, and that its error output has all `words` and a next command."""
    assert done.returncode == code, done.stdout + done.stderr
    assert "next: " in done.stderr and "Traceback" not in done.stderr, done.stderr
    for word in words:
        assert word in done.stderr, done.stderr


def test_new_host_key_is_refused_unless_the_option_accept_host_key_has_its_fingerprint(server: OwnServer) -> None:
    shown = server.fingerprint()
    refused(server.project.fds("up"), 5, shown, f"--accept-host-key {shown}")
    refused(
        server.project.fds("up", "--accept-host-key", "SHA256:another"), 5, shown, "not the accepted SHA256:another"
    )
    assert not (server.project.folder / ".fds" / "keys" / STACK / "known_hosts").exists()
    assert server.changes() == []


def test_deployment_is_refused_if_the_setting_server_price_is_missing(server: OwnServer) -> None:
    refused(server.project.fds("up", "--accept-host-key", server.fingerprint()), 4, "set serverPrice")
    assert server.project.fds("cost").returncode == 4
    assert server.changes() == [] and not server.succeeds("which", "docker")


def test_stack_over_the_budget_is_refused_before_any_write(server: OwnServer) -> None:
    server.project.configure({"serverPrice": {**PRICE, "amount": "49.90"}})
    refused(server.project.fds("up"), 3, "over the budget of $50.00")
    assert server.changes() == [] and not server.succeeds("which", "docker")


def test_capacity_in_the_plan_is_read_from_the_server(server: OwnServer) -> None:
    server.project.configure({"serverPrice": PRICE})
    plan = server.project.json("cost")
    memory_mb = int(server.console("sed", "-n", r"s/^MemTotal: *\([0-9]*\) kB/\1/p", "/proc/meminfo")) // 1024
    assert plan["capacity"]["memory_mb"]["available"] == memory_mb
    assert plan["capacity"]["cpu"]["available"] == int(server.console("nproc"))
    assert plan["total_usd"] == "11.53" and [line["resource"] for line in plan["lines"]] == [f"server {server.address}"]
    assert server.changes() == []


def test_preview_before_the_first_deployment_changes_nothing(server: OwnServer) -> None:
    before = server.project.files()
    assert server.project.json("preview")["changes"]["create"] > 10
    assert server.project.files() == before and server.changes() == []


def test_deployment_is_refused_before_any_change_if_a_user_named_deploy_exists(server: OwnServer) -> None:
    server.console("useradd", "--create-home", "deploy")
    try:
        refused(server.project.fds("up"), 5, "there is a user deploy already")
        assert not server.succeeds("test", "-e", "/home/deploy/.ssh") and not server.succeeds("which", "docker")
    finally:
        server.console("userdel", "--remove", "deploy")


def test_deployment_is_refused_before_any_change_if_another_program_uses_port_443(server: OwnServer) -> None:
    server.console("systemd-run", "--unit", "taken", "python3", "-m", "http.server", "443")
    try:
        until = time.monotonic() + 20
        while not server.succeeds("sh", "-c", "ss -Hltn 'sport = :443' | grep -q ."):
            assert time.monotonic() < until
        refused(server.project.fds("up"), 5, "port 443 is taken by another program")
        assert server.changes() == [] and not server.succeeds("which", "docker")
    finally:
        server.console("systemctl", "stop", "taken")


def test_deployment_after_killed_deployments_completes_the_stack(server: OwnServer) -> None:
    server.killed_when(lambda: server.succeeds("test", "-e", "/var/lib/fds/installing"))
    server.killed_when(lambda: server.succeeds("id", "deploy"))
    server.killed_when(lambda: len([one for one in server.changes() if one.startswith("container")]) >= 2)
    done = server.project.fds("up")
    assert done.returncode == 0, done.stderr
    assert {row["service"]: row["health"] for row in server.project.json("status")["services"]} == dict.fromkeys(
        LEAN, "healthy"
    )
    names = server.console("docker", "ps", "--format", '{{.Label "fds.service"}}').split()
    assert sorted(names) == LEAN


def test_image_that_a_killed_deployment_left_is_removed_and_images_of_another_stack_are_kept(server: OwnServer) -> None:
    """No Pulumi state contains the image, so `fds up` must find it by the stack's name in the image's name.

    The other stack's images must not match, although that stack's name begins with this stack's name.
    """
    built = server.images()
    ours, theirs = (f"fds/{name}-streamlit:{OTHER_CONTENT}" for name in (STACK, f"{STACK}-two"))
    server.make_image(ours)
    server.make_image(theirs)
    done = server.project.fds("up")
    assert done.returncode == 0 and f"removed image {ours}" in done.stderr, done.stderr
    assert server.images() == sorted([*built, theirs]) and len(built) == 2
    server.console("docker", "rmi", theirs)


def test_second_fds_up_changes_no_resource(server: OwnServer) -> None:
    assert server.project.json("up")["changed"] == 0


def test_second_fds_up_does_not_need_the_ssh_key_of_the_owner(server: OwnServer) -> None:
    done = server.project.fds("up", "--json", SSH_AUTH_SOCK="")
    assert done.returncode == 0 and json.loads(done.stdout)["changed"] == 0, done.stderr


def test_deployment_keeps_the_ssh_login_of_the_owner_and_the_user_deploy_cannot_use_a_password(
    server: OwnServer,
) -> None:
    settings = server.console("sshd", "-T")
    assert "permitrootlogin yes" in settings or "permitrootlogin without-password" in settings
    assert "allowusers" not in settings and "maxsessions 100" in settings
    deploy = server.console("sshd", "-T", "-C", "user=deploy,host=a,addr=192.0.2.1")
    assert "passwordauthentication no" in deploy
    assert server.console("stat", "-c", "%U %a", "/home/deploy/.ssh/authorized_keys").split() == ["deploy", "600"]


def test_removed_container_is_reported_as_drift_and_created_again(server: OwnServer) -> None:
    assert server.project.fds("drift").returncode == 0
    name = server.console("docker", "ps", "--quiet", "--filter", "label=fds.service=streamlit").strip()
    server.console("docker", "rm", "--force", name)
    assert server.project.fds("drift").returncode == 1
    assert server.project.json("up")["changed"] >= 1


def test_changed_host_key_is_refused(server: OwnServer) -> None:
    pinned = server.fingerprint()
    own, kept = "/etc/ssh/ssh_host_ed25519_key", "/root/kept"
    server.console("sh", "-c", f"mkdir {kept} && mv {own} {own}.pub {kept} && ssh-keygen -qt ed25519 -N '' -f {own}")
    server.console("systemctl", "reload", "ssh")
    try:
        shown = server.fingerprint()
        assert shown != pinned
        refused(server.project.fds("up"), 5, f"shows the host key {shown}, not the pinned {pinned}")
        assert server.project.fds("status").returncode == 5
    finally:
        server.console("sh", "-c", f"mv {kept}/* /etc/ssh/ && rmdir {kept} && systemctl reload ssh")
    assert server.project.json("up")["changed"] == 0


def test_change_of_the_setting_host_is_refused_while_the_stack_is_deployed(server: OwnServer) -> None:
    server.project.configure({"host": "local"})
    refused(server.project.fds("preview"), 3, "is on host ssh and cannot move to local")
    server.project.configure({"host": "ssh"})


def test_fds_down_removes_the_stack_except_its_data_and_the_option_volumes_removes_the_data(server: OwnServer) -> None:
    server.console("docker", "network", "create", "owners")
    server.make_image(f"fds/{STACK}-agents:{OTHER_CONTENT}")
    done = server.project.fds("down")
    assert done.returncode == 0, done.stderr
    left = server.changes()
    assert left and all(one.startswith("volume ") for one in left), left
    assert server.images() == []
    assert "owners" in server.console("docker", "network", "ls", "--format", "{{.Name}}").split()
    assert "maxsessions 100" not in server.console("sshd", "-T")
    refused(server.project.fds("down", "--volumes"), 2, f"the data on {server.address}")
    done = server.project.fds("down", "--volumes", "--confirm", STACK)
    assert done.returncode == 0, done.stderr
    assert server.changes() == []

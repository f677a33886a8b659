"""Test the simulated servers, which run as containers. The tests depend on their order in this file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import docker
import paramiko
import pytest
import requests

from tests.integration.hetzner_kit.conftest import code, send
from tests.integration.hetzner_kit.shell import Shell, key_pair
from tests.kit.hetzner import HetznerAPI
from tests.kit.hetzner.containers import Containers
from tests.kit.hetzner.scan import open_ports
from tests.kit.leftovers import OWNER

ROOT = Path(__file__).parents[3]
MEMORY_GB = {"cpx02": 1, "cpx12": 2}
USER_DATA = """\
#cloud-config
ssh_deletekeys: true
ssh_genkeytypes: [ed25519]
ssh_keys:
  ed25519_private: |
{private}
  ed25519_public: {public}
package_update: true
packages: [docker.io]
bootcmd:
  - echo booted >> /root/boots
runcmd:
  - mkdir /data
  - echo "$(ls /dev/disk/by-id/scsi-0HC_Volume_*) /data ext4 defaults,nofail 0 2" >> /etc/fstab
  - mount /data
"""
INBOUND = [
    {"direction": "in", "protocol": "tcp", "port": port, "source_ips": ["0.0.0.0/0", "::/0"]}
    for port in ("22", "80", "443")
]


@dataclass
class Box:
    """Hold the simulated server that the tests use, with its volume and firewall."""

    api: HetznerAPI
    id: int
    volume: int
    firewall: int
    shell: Shell
    user_data: str

    def act(self, path: str, body: object = None) -> None:
        """Start an action and wait until it ends."""
        answer = send(self.api, "POST", path, body or {})
        assert answer.status_code == 201, answer.text
        self.api.settle()

    @property
    def machines(self) -> Containers:
        assert isinstance(self.api.machines, Containers)
        return self.api.machines


def create(api: HetznerAPI, kind: str, body: object) -> int:
    """Create a resource, wait until its action succeeds, and return its id."""
    answer = send(api, "POST", f"/{kind}s", body)
    assert answer.status_code == 201, answer.text
    api.settle()
    if action := answer.json().get("action"):
        ended = send(api, "GET", f"/actions/{action['id']}").json()["action"]
        assert ended["status"] == "success", ended["error"]
    return int(answer.json()[kind]["id"])


@pytest.fixture(scope="module")
def box() -> Iterator[Box]:
    login, host = key_pair(), key_pair()
    private = textwrap.indent(host[0].strip(), "    ")
    user_data = USER_DATA.format(private=private, public=host[1])
    with HetznerAPI(servers=True) as api:
        key = create(api, "ssh_key", {"name": "key", "public_key": login[1]})
        volume = create(api, "volume", {"name": "data", "size": 10, "location": "fsn1", "format": "ext4"})
        firewall = create(api, "firewall", {"name": "wall", "rules": INBOUND})
        body = {
            "name": "box", "server_type": "cpx02", "image": "debian-12", "location": "fsn1", "ssh_keys": [key],
            "volumes": [volume], "firewalls": [{"firewall": firewall}], "user_data": user_data,
        }  # fmt: skip
        server = create(api, "server", body)
        address = send(api, "GET", f"/servers/{server}").json()["server"]["public_net"]["ipv4"]["ip"]
        shell = Shell(address, login[0], host[1])
        shell.until("true", 120)
        yield Box(api, server, volume, firewall, shell, user_data)


def test_server_boots_from_its_user_data(box: Box) -> None:
    assert box.shell.check("cloud-init status --wait").endswith("status: done")
    assert box.shell.check("hostname") == "box"
    assert box.shell.check("systemctl is-system-running --wait") == "running"
    memory = int(box.shell.check("docker info --format '{{.MemTotal}}'"))
    assert memory == MEMORY_GB["cpx02"] * 1024**3


def test_wrong_host_key_or_login_key_is_refused(box: Box) -> None:
    other = Shell(box.shell.address, box.shell.login_key, key_pair()[1])
    with pytest.raises(paramiko.BadHostKeyException):
        other.connect()
    other_user = Shell(box.shell.address, key_pair()[0], box.shell.host_key)
    with pytest.raises(paramiko.AuthenticationException):
        other_user.connect()


def test_port_scan_finds_only_ports_that_the_firewall_allows(box: Box) -> None:
    ports = (80, 443, 2375, 5432)
    for port in ports:
        box.machines.run(box.id, "systemd-run", "--quiet", "python3", "-m", "http.server", str(port))
    box.shell.check("until [ $(ss -Hltn '( sport = 80 or sport = 443 or sport = 2375 or sport = 5432 )' | wc -l) = 4 ];"
                    " do sleep 0.1; done")  # fmt: skip
    outside = box.machines.bridge_address(box.id)
    assert open_ports(outside, range(1, 10_000)) == {22, 80, 443}
    assert requests.get(f"http://{box.shell.address}/", timeout=5).status_code == 200

    restricted = [rule | {"source_ips": ["203.0.113.0/24"]} if rule["port"] == "80" else rule for rule in INBOUND]
    box.act(f"/firewalls/{box.firewall}/actions/set_rules", {"rules": restricted})
    assert open_ports(outside, (22, *ports)) == {22, 443}
    box.act(f"/firewalls/{box.firewall}/actions/set_rules", {"rules": INBOUND})
    assert open_ports(outside, (22, *ports)) == {22, 80, 443}


def test_containers_on_the_server_count_against_the_memory_of_the_server(box: Box) -> None:
    files = "bin/sh bin/sleep usr/bin/head usr/bin/tail lib/x86_64-linux-gnu lib64"
    box.shell.check(f"tar --create --directory / --dereference {files} | docker import - tiny")
    held = 300_000_000
    hold = f"(head -c {held} /dev/zero; sleep 600) | tail -c {held}"
    box.shell.check(f"docker run --detach --name holder tiny sh -c '{hold}'")
    deadline = time.monotonic() + 60
    while memory := box.machines.container(box.id).stats(stream=False)["memory_stats"]:
        counted = memory["stats"]
        if (
            counted.get("total_rss", counted.get("anon")) >= held
        ):  # `total_rss` exists in cgroup version 1, `anon` in version 2
            break
        assert time.monotonic() < deadline
    assert memory["limit"] == MEMORY_GB["cpx02"] * 1024**3
    box.shell.check("docker rm --force holder")


def test_volume_grows_and_keeps_its_data(box: Box) -> None:
    box.shell.check("echo kept > /data/file")
    box.act(f"/volumes/{box.volume}/actions/resize", {"size": 20})
    box.shell.check("resize2fs /dev/disk/by-id/scsi-0HC_Volume_*")
    size = int(box.shell.check("df --output=size --block-size=GB /data | tail -1").rstrip("GB"))
    assert 19 <= size <= 20
    assert box.shell.check("cat /data/file") == "kept"
    box.shell.check("docker info")


@pytest.mark.parametrize("by", ["api", "itself"])
def test_reboot_keeps_the_disk_the_host_key_the_volume_and_the_firewall(box: Box, by: str) -> None:
    before = int(box.shell.check("wc -l < /root/boots"))
    if by == "api":
        box.act(f"/servers/{box.id}/actions/reboot")
    else:
        box.shell.run("systemctl reboot --no-block")  # not `check`: the session may end before the command returns
    box.shell.until(f"[ $(wc -l < /root/boots) = {before + 1} ]", 120)
    box.shell.check("cloud-init status --wait")
    assert box.shell.check("cat /data/file") == "kept"
    box.shell.check("docker info")
    box.machines.run(box.id, "systemd-run", "--quiet", "python3", "-m", "http.server", "5432")
    box.shell.check("until [ $(ss -Hltn 'sport = 5432' | wc -l) = 1 ]; do sleep 0.1; done")
    assert open_ports(box.machines.bridge_address(box.id), (22, 5432)) == {22}


def test_server_has_the_memory_of_its_new_type_after_a_change_of_type(box: Box) -> None:
    box.act(f"/servers/{box.id}/actions/poweroff")
    with pytest.raises((OSError, paramiko.SSHException)):
        box.shell.connect()
    box.act(f"/servers/{box.id}/actions/change_type", {"server_type": "cpx12", "upgrade_disk": False})
    box.shell.until("true", 60)
    assert int(box.shell.check("docker info --format '{{.MemTotal}}'")) == MEMORY_GB["cpx12"] * 1024**3


def test_volume_keeps_the_data_after_the_server_is_deleted(box: Box) -> None:
    assert send(box.api, "DELETE", f"/servers/{box.id}").status_code == 200
    box.api.settle()
    with pytest.raises((OSError, paramiko.SSHException)):
        box.shell.connect()
    plain = box.user_data.replace("packages: [docker.io]", "").replace("package_update: true", "")
    key = send(box.api, "GET", "/ssh_keys").json()["ssh_keys"][0]["id"]
    body = {
        "name": "second", "server_type": "cpx12", "image": "debian-12", "location": "fsn1", "ssh_keys": [key],
        "volumes": [box.volume], "user_data": plain,
    }  # fmt: skip
    box.id = create(box.api, "server", body)
    address = send(box.api, "GET", f"/servers/{box.id}").json()["server"]["public_net"]["ipv4"]["ip"]
    box.shell = Shell(address, box.shell.login_key, box.shell.host_key)
    box.shell.until("true", 60)
    assert box.shell.check("cloud-init status --wait > /dev/null; cat /data/file") == "kept"


def test_server_with_an_unsupported_image_fails_but_counts_against_the_server_limit(box: Box) -> None:
    body = {"name": "trixie", "server_type": "cpx02", "image": "debian-13", "location": "fsn1"}
    action = send(box.api, "POST", "/servers", body).json()["action"]["id"]
    box.api.settle()
    ended = send(box.api, "GET", f"/actions/{action}").json()["action"]
    assert (ended["status"], ended["error"]["code"]) == ("error", "action_failed")
    third = send(box.api, "POST", "/servers", body | {"name": "third"})
    assert (third.status_code, code(third)) == (403, "resource_limit_exceeded")
    failed = send(box.api, "GET", "/servers?name=trixie").json()["servers"][0]["id"]
    assert send(box.api, "DELETE", f"/servers/{failed}").status_code == 200
    box.api.settle()
    assert box.api.account()["servers"] == 1


def test_containers_of_a_killed_double_of_the_api_are_removed_by_the_next_double(tmp_path: Path) -> None:
    client = docker.from_env()
    run = subprocess.Popen(
        [sys.executable, "-m", "tests.kit.hetzner", "--servers"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert run.stdout is not None
    settings = dict(run.stdout.readline().removeprefix("export ").strip().split("=", 1) for _ in range(2))
    headers = {"Authorization": f"Bearer {settings['HCLOUD_TOKEN']}"}
    volume = {"name": "v", "size": 10, "location": "fsn1"}
    requests.post(f"{settings['HCLOUD_ENDPOINT']}/volumes", json=volume, headers=headers, timeout=10)
    server = {"name": "s", "server_type": "cpx02", "image": "debian-12", "location": "fsn1"}
    requests.post(f"{settings['HCLOUD_ENDPOINT']}/servers", json=server, headers=headers, timeout=10)

    def containers_of_run() -> list[str]:
        found = client.containers.list(all=True, filters={"label": OWNER}, ignore_removed=True)
        return [each.id for each in found if each.labels[OWNER].startswith(f"{run.pid}:")]

    deadline = time.monotonic() + 120
    while not containers_of_run():
        assert run.poll() is None and time.monotonic() < deadline
    disks = [path for path in Path("/sys/block").glob("loop*/loop/backing_file") if "fds-kit-" in path.read_text()]
    assert disks
    os.kill(run.pid, signal.SIGKILL)
    run.wait(30)
    Containers().close()
    assert containers_of_run() == []

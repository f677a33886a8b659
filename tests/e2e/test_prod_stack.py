"""The prod stack on the played Hetzner account: killed at every write, up, a run, changes, faults, an empty account.

One server lives through the whole file, in the order of the tests, for booting one and building its images takes
minutes.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from hcloud import Client

from agents.ground import desk
from agents.request import ScalingRequest
from agents.scaling import ScalingDesk
from infra.offline import registry
from stack_runtime.docker_host import local_docker
from stack_runtime.errors import RefusedError, UsageError
from tests.e2e.test_dev_stack import SAMPLE
from tests.kit.hetzner import HetznerAPI
from tests.kit.hetzner.scan import open_ports
from tests.kit.project import Project

pytestmark = pytest.mark.server

STACK = "e2e-prod"
SETTINGS = {
    "host": "hetzner",
    "profiles": ["lean"],
    "budgetUsd": "60",
    "fxRate": "1.1637",
    "fxDate": "2026-11-20",
}
ONE_OF_EACH = {"servers": 1, "volumes": 1, "networks": 1, "firewalls": 1, "ssh_keys": 1, "primary_ips": 2}


@pytest.fixture(scope="module")
def api() -> Iterator[HetznerAPI]:
    with HetznerAPI(servers=True) as played:
        yield played


@pytest.fixture(scope="module")
def project(api: HetznerAPI, tmp_path_factory: pytest.TempPathFactory) -> Project:
    mirror = {"registryMirror": f"http://{registry.serve(local_docker())}"}
    return Project(tmp_path_factory.mktemp("prod"), STACK, SETTINGS | mirror, dict(api.environment))


@pytest.fixture(scope="module")
def up(api: HetznerAPI, project: Project) -> Project:
    """The stack, brought up by deployments that are killed after each kind of write until one gets through."""
    killed: set[str] = set()
    while _up_killed_at_a_new_write(api, project, killed):
        assert len(killed) < 40, "the deployments do not converge"
    assert len(killed) >= 6, "there were writes to be killed at"
    return project


def _up_killed_at_a_new_write(api: HetznerAPI, project: Project, killed: set[str]) -> bool:
    """Deploy, and kill the deployment as soon as it has written what none was killed at before."""
    process = subprocess.Popen(
        [sys.executable, "-m", "fds.main", "up", "--stack", project.stack, "--json"],
        cwd=project.folder,
        env={**os.environ, **project.environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    hits: list[str] = []

    def written() -> None:
        if process.poll() is not None:
            return  # the write of a later test
        write = api.writes()[-1]
        kind = f"{write.method} {re.sub('[0-9]+', 'N', write.path)}"
        if kind in killed:
            api.on_write(1, written)
            return
        killed.add(kind)
        hits.append(kind)
        os.killpg(process.pid, signal.SIGKILL)

    api.on_write(1, written)
    said, complained = process.communicate(timeout=1500)
    assert hits or process.returncode == 0, said + complained
    return bool(hits)


def _client(api: HetznerAPI) -> Client:
    return Client(token=api.token, api_endpoint=api.endpoint)


def test_kills_leave_nothing_doubled_or_orphaned(api: HetznerAPI, up: Project) -> None:
    found = {kind: count for kind, count in api.account().items() if count}
    assert found == ONE_OF_EACH


def test_every_service_is_healthy(up: Project) -> None:
    rows = up.json("status")["services"]
    assert sorted(row["service"] for row in rows) == ["pipeline", "postgres", "streamlit", "traefik"]
    assert {row["health"] for row in rows} == {"healthy"}


def test_second_up_changes_nothing(api: HetznerAPI, up: Project) -> None:
    before = len(api.writes())
    assert up.json("up")["changed"] == 0
    assert len(api.writes()) == before


def test_pipeline_runs_on_the_server(up: Project) -> None:
    run = up.json("run", "--csv", str(SAMPLE), timeout=900)
    assert run["published"] and run["rows"]["read"] == run["rows"]["loaded"] + run["rows"]["quarantined"]


def test_only_three_ports_are_open(api: HetznerAPI, up: Project) -> None:
    server = _client(api).servers.get_all()[0]
    assert open_ports(server.public_net.ipv4.ip, (22, 80, 443)) == {22, 80, 443}
    outside = api.machines.bridge_address(server.id)  # type: ignore[attr-defined]
    assert open_ports(outside) == {22, 80, 443}


def test_no_secret_lies_in_the_state_in_the_clear(up: Project) -> None:
    secrets = json.loads(up.engine("config", "get", "secrets").stdout)
    lines = [line for value in secrets.values() for line in value.splitlines() if len(line) > 20 and "---" not in line]
    found = subprocess.run(
        ["grep", "-rlF", "-f", "-", str(up.folder / ".fds" / "state")],
        input="\n".join(lines),
        capture_output=True,
        text=True,
    )
    assert found.stdout == ""


def test_drift_is_found(api: HetznerAPI, up: Project) -> None:
    server = _client(api).servers.get_all()[0]
    server.update(labels={"project": "freelancer-data-stack", "stack": STACK, "managed-by": "someone"})
    drift = up.fds("drift", "--json")
    assert drift.returncode == 1 and json.loads(drift.stdout)["drifted"] >= 1
    server.update(labels={"project": "freelancer-data-stack", "stack": STACK, "managed-by": "fds"})


def test_over_budget_is_refused_before_any_write(api: HetznerAPI, up: Project) -> None:
    before = len(api.writes())
    up.configure({"budgetUsd": "20"})
    refused = up.fds("up")
    up.configure({"budgetUsd": "60"})
    assert refused.returncode == 3, refused.stderr
    assert "over" in refused.stderr and "Traceback" not in refused.stderr
    assert len(api.writes()) == before


def test_wrong_token_is_named(up: Project) -> None:
    result = up.fds("up", HCLOUD_TOKEN="0" * 64)
    assert result.returncode == 5
    assert "HCLOUD_TOKEN" in result.stderr


def test_wrong_host_key_is_refused(up: Project) -> None:
    known_hosts = up.folder / ".fds" / "keys" / STACK / "known_hosts"
    address, kind, _ = known_hosts.read_text().split()
    right = known_hosts.read_text()
    known_hosts.write_text(f"{address} {kind} AAAAC3NzaC1lZDI1NTE5AAAAIPiSkpSQUHNS4mW0TZrMyA2z6Zx1jtJS8SMBnlXJ0v7w\n")
    result = up.fds("status")
    known_hosts.write_text(right)
    assert result.returncode == 5
    assert "Host key verification failed" in result.stderr


@pytest.fixture
def office(up: Project, monkeypatch: pytest.MonkeyPatch) -> ScalingDesk:
    """The agents' desk, as somebody has it who may deploy this stack."""
    for name, value in up.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(up.folder)
    return desk(up.folder)


def test_what_is_refused_or_not_approved_touches_nothing(api: HetznerAPI, up: Project, office: ScalingDesk) -> None:
    before, file = len(api.writes()), up.stack_file.read_bytes()
    over = office.propose(STACK, ScalingRequest(reason="more", server_type="cpx42"), "ann")
    assert over.decision == "refuse" and "over the budget" in over.reason
    with pytest.raises(UsageError, match="no such proposal"):
        office.approve(over.id, over.digest, "bob")
    bigger = office.propose(STACK, ScalingRequest(reason="more", server_type="cpx32"), "ann")
    with pytest.raises(RefusedError, match="no approval"):
        office.apply(bigger.id, "yes", "ann")
    assert len(api.writes()) == before and up.stack_file.read_bytes() == file


def test_an_approved_bigger_server_keeps_the_data(api: HetznerAPI, up: Project, office: ScalingDesk) -> None:
    published = up.json("status")["last_run"]["run_id"]
    proposal = office.propose(STACK, ScalingRequest(reason="more rows", server_type="cpx32"), "ann")
    assert proposal.decision == "accept"
    outcome = office.apply(proposal.id, office.approve(proposal.id, proposal.digest, "bob"), "ann")
    assert (outcome.status, outcome.problems) == ("applied", ())
    (server,) = _client(api).servers.get_all()
    assert server.server_type.name == "cpx32"
    assert up.json("status")["last_run"]["run_id"] == published
    assert up.json("up")["changed"] == 0


def test_a_shrinking_volume_is_refused(up: Project) -> None:
    up.configure({"volumeGb": 12})
    assert up.json("up")["changed"] >= 1
    up.configure({"volumeGb": 10})
    result = up.fds("up")
    up.configure({"volumeGb": 12})
    assert result.returncode in (2, 3), result.stderr


def test_down_asks_and_ends_with_an_empty_account(api: HetznerAPI, up: Project) -> None:
    unconfirmed = up.fds("down", "--confirm", "another")
    assert unconfirmed.returncode == 2 and api.account()["servers"] == 1
    server = _client(api).servers.get_all()[0]
    server.change_protection(delete=False, rebuild=False).wait_until_finished()
    server.delete().wait_until_finished()
    gone = up.fds("down", "--volumes", "--confirm", STACK)
    assert gone.returncode == 0, gone.stderr
    api.settle()
    assert api.account() == api.empty()

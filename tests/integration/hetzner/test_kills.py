"""Kill `fds up` once at each kind of write to the account; afterwards, no resource exists twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hcloud import Client

from tests.e2e.killing import Killer, report_writes
from tests.e2e.prod import SETTINGS, Prod
from tests.kit.hetzner import HetznerAPI
from tests.kit.project import Project

pytestmark = pytest.mark.timeout(900)

WRITES = {
    "POST /ssh_keys", "POST /networks", "POST /networks/N/actions/add_subnet", "POST /firewalls", "POST /volumes",
    "POST /volumes/N/actions/change_protection", "POST /servers", "POST /servers/N/actions/enable_backup",
    "POST /servers/N/actions/change_protection", "POST /servers/N/actions/attach_to_network",
}  # fmt: skip
"""Kinds of writes at which deployments are killed here. They precede the attachment of the volume, after which
`fds up` waits for a server that never boots here. The end-to-end tests kill deployments at later writes too."""
ONE_OF_EACH = {"servers": 1, "volumes": 1, "networks": 1, "firewalls": 1, "ssh_keys": 1, "primary_ips": 2, "zones": 1}


@pytest.fixture
def prod(tmp_path: Path) -> Iterator[Prod]:
    """Yield an account with a DNS zone, and a project that has not been deployed yet."""
    with HetznerAPI(action_seconds=0.01) as api:
        Client(token=api.token, api_endpoint=api.endpoint).zones.create(name="example.test", mode="primary")
        names = {"domain": "data.example.test", "dnsZone": "example.test", "email": "me@example.test", "backups": True}
        project = Project(tmp_path, "killed-prod", SETTINGS | names, dict(api.environment))
        project.take_secrets()
        yield Prod(api, project)


@pytest.mark.slow
def test_up_killed_at_each_write_creates_no_duplicates(prod: Prod) -> None:
    killed_steps: set[str] = set()
    for _ in range(2 * len(WRITES)):
        process = prod.start("up", "--json", PULUMI_PARALLEL="1")
        killer = Killer(process, killed_steps, WRITES)
        with report_writes(prod, killer):
            stdout, stderr = process.communicate(timeout=300)
        assert killer.hit, stdout + stderr
        prod.api.settle()
        if killed_steps == WRITES:
            break
    assert killed_steps == WRITES
    assert {kind: prod.resource_counts()[kind] for kind in ONE_OF_EACH} == ONE_OF_EACH
    assert prod.servers_created() == 1
    down = prod.project.fds("down", "--volumes", "--confirm", prod.project.stack)
    assert down.returncode == 0, down.stderr
    prod.api.settle()
    assert prod.resource_counts() == {"zones": 1, "rrsets": 2}

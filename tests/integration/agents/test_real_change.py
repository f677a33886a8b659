"""Apply and revert one change with the real `ChangeService`, Pulumi engine and Docker; the data is kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agents.changes.request import ScalingRequest
from agents.changes.service import ChangeService
from agents.factory import create_change_service
from stack_runtime.docker_exec import execute
from stack_runtime.docker_host import local_docker, running
from stack_runtime.errors import RefusedError
from stack_runtime.status import MIB
from tests.kit import layers
from tests.kit.ports import free_ports
from tests.kit.project import OTHERS, Project

STACK = "agentstest"
SQL = ("psql", "-U", "postgres", "-tA", "-c")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    made = Project(tmp_path, STACK, {"host": "local", **free_ports()})
    made.take_secrets()
    for name in OTHERS:  # these variables would select another project
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    made.clear()
    yield made
    made.clear()


def test_approved_change_is_applied_and_reverted_after_it_expires_without_loss_of_data(project: Project) -> None:
    started = project.fds("up")
    assert started.returncode == 0, started.stderr
    client = local_docker()
    layers.keep(client)
    execute(running(client, STACK, "postgres"), [*SQL, "CREATE TABLE kept AS SELECT 42 AS answer"])

    changes = create_change_service(project.folder)
    refused = changes.propose(STACK, ScalingRequest(reason="x", memory_mb={"postgres": 1_000_000}), "ann")
    assert refused.decision == "refuse"
    with pytest.raises(Exception, match="no such proposal"):
        changes.approve(refused.id, refused.digest, "bob")

    proposal = changes.propose(STACK, ScalingRequest(reason="more rows", memory_mb={"postgres": 160}, days=1), "ann")
    token = changes.approve(proposal.id, proposal.digest, "bob")
    outcome = changes.apply(proposal.id, token, "ann")
    assert (outcome.status, outcome.problems) == ("applied", ())

    container = running(client, STACK, "postgres")
    assert container.attrs["HostConfig"]["Memory"] > 512 * MIB
    assert execute(container, [*SQL, "SELECT answer FROM kept"]).out.strip() == b"42"
    with pytest.raises(RefusedError):
        changes.apply(proposal.id, token, "ann")

    assert changes.expire() == []
    later = ChangeService(replace(changes._dependencies, now=lambda: datetime.now(UTC) + timedelta(days=2)))
    assert [(outcome.status, outcome.problems) for outcome in later.expire()] == [("taken back", ())]
    container = running(client, STACK, "postgres")
    assert container.attrs["HostConfig"]["Memory"] == 512 * MIB
    assert execute(container, [*SQL, "SELECT answer FROM kept"]).out.strip() == b"42"

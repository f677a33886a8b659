"""Provide a stack on a simulated account; the tests treat its server as ready and put no containers on it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hcloud import Client
from hcloud.firewalls import BoundFirewall
from hcloud.servers import BoundServer
from hcloud.volumes import BoundVolume

from infra import image_digests
from infra.component import stack
from infra.component.stack import DataStack
from infra.engine import errors
from infra.engine.progress import Progress
from infra.engine.stack_operations import StackOperations
from infra.hosts.hetzner import recovery, token
from infra.hosts.hetzner import server as hosted
from infra.operations import deploy, images, planned_cost, reconcile
from infra.operations.destroy import remove
from infra.operations.preview import ReadOnlyOperations
from stack_runtime.planned_cost import PlannedCost
from stack_runtime.remote import ready
from tests.kit.hetzner import HetznerAPI
from tests.kit.project import ON_A_SERVER, OTHERS, Project

STACK = "heal-prod"
SETTINGS = {**ON_A_SERVER, "budgetUsd": "60", "serverType": "cpx22", "budgetGroup": "heal"}


@dataclass
class Healing:
    """Hold a simulated account and the project that deploys to this account."""

    api: HetznerAPI
    project: Project
    said: list[str] = field(default_factory=list)
    delivered: list[PlannedCost] = field(default_factory=list)
    """The planned costs that the deployments sent to the dashboard, oldest first."""

    @property
    def client(self) -> Client:
        """Return a client that changes the account like a person in the console."""
        return Client(self.api.token, self.api.endpoint, poll_interval=0.02)

    @property
    def server(self) -> BoundServer:
        return self.client.servers.get_all()[0]

    @property
    def volume(self) -> BoundVolume:
        return self.client.volumes.get_all()[0]

    @property
    def firewall(self) -> BoundFirewall:
        return self.client.firewalls.get_all()[0]

    def ssh_from(self) -> list[str]:
        """Return the networks from which the server's firewall allows SSH."""
        public = self.server.public_net
        assert public is not None and [each.firewall.id for each in public.firewalls or ()] == [self.firewall.id]
        return next(list(rule.source_ips) for rule in self.firewall.rules or () if rule.port == "22")

    def deployment(self) -> StackOperations:
        return StackOperations(self.project.folder, STACK, Progress(None))

    def up(self) -> dict[str, int]:
        """Deploy as `fds up` does, write messages to `said`, and return the number of changes by operation."""
        self.said.clear()
        changes = deploy.deploy(self.project.folder, STACK, self.said.append, watched=False)
        return {operation: count for operation, count in changes.items() if operation != "same"}

    def preview(self, progress: Progress | None = None) -> None:
        """Preview a deployment as `fds preview` does."""
        ReadOnlyOperations(self.project.folder, STACK, progress or Progress(None)).preview(lambda _: None)

    def plain_up(self) -> None:
        """Deploy as plain `pulumi up` does, without the repairs that `fds up` adds."""
        self.deployment().up()

    def down(self) -> None:
        """Remove the stack as `fds down --volumes` does."""
        self.said.clear()
        remove(self.deployment(), volumes=True, say=self.said.append)

    def recorded(self, kind: str) -> dict[str, Any]:
        """Return the Pulumi state of the only resource of this kind; empty if the stack has no such resource."""
        resources = self.deployment().recorded().get("resources") or []
        return dict(next((item for item in resources if item["type"].endswith(f":{kind}")), {}))


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Healing]:
    """Yield an empty account, and a project that has not been deployed."""
    yield from _simulated(tmp_path)


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Healing]:
    """Yield a fully deployed stack, which every test must leave complete."""
    for healing in _simulated(tmp_path_factory.mktemp("healing")):
        healing.up()
        yield healing


@pytest.fixture
def healing(deployed: Healing) -> Iterator[Healing]:
    """Yield the deployed stack; write its original settings into the stack file afterwards."""
    yield deployed
    deployed.api.faults.clear()
    deployed.project.configure({"sshFrom": [], **SETTINGS})


def _simulated(folder: Path) -> Iterator[Healing]:
    with HetznerAPI(action_seconds=0.01) as api, pytest.MonkeyPatch.context() as patch:
        project = Project(folder, STACK, SETTINGS, dict(api.environment))
        project.take_secrets()
        for name in OTHERS:
            patch.delenv(name, raising=False)
        for name, value in api.environment.items():
            patch.setenv(name, value)
        patch.chdir(project.folder)
        patch.setattr(token, "_cached", {})
        patch.setattr(recovery, "PAUSE_S", 0.05)
        patch.setattr(errors, "PAUSES_S", (0.1, 0.1, 0.1))
        _skip_everything_on_the_server(patch)
        healing = Healing(api, project)
        patch.setattr(
            planned_cost, "call_runner", lambda *words: healing.delivered.append(PlannedCost.from_json(words[-1]))
        )
        yield healing


def _skip_everything_on_the_server(patch: pytest.MonkeyPatch) -> None:
    """Skip the policy pack, and what needs the server: Docker networks, containers, images and the wait for SSH."""
    patch.setattr(stack, "networks", lambda *_: {})
    patch.setattr(DataStack, "_containers", lambda *_: None)
    patch.setattr(StackOperations, "_policies", lambda _: None)
    patch.setattr(ready, "wait_until_ready", lambda *_, **__: None)
    patch.setattr(hosted, "wait_until_ready", lambda *_, **__: None)
    patch.setattr(reconcile, "_remove_strays", lambda *_: None)
    patch.setattr(deploy, "daemon", lambda *_: contextlib.nullcontext())
    patch.setattr(image_digests, "complete", lambda *_: image_digests.Pinning({}, {}))
    patch.setattr(deploy, "_require_healthy", lambda *_: None)
    patch.setattr(images, "images_in", lambda *_: set())
    patch.setattr(images, "remove_unused_images", lambda *_: [])

"""Implement the host `hetzner`: a Hetzner Cloud server that the deployment rents.

Modules that need Pulumi or the Python packages for Hetzner Cloud are imported inside the methods: these packages take a
second to import, and the agents' image does not have them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.hosts.base import DockerTarget, Host, Removed, TargetInputs
from infra.hosts.hetzner import token
from infra.settings import Settings
from infra.stack_secrets import TOKEN
from stack_runtime.docker_endpoint import Endpoint
from stack_runtime.errors import UsageError
from stack_runtime.text import Say

if TYPE_CHECKING:
    from infra.cost.planning.inputs import RentalInputs
    from infra.cost.planning.model import Plan
    from infra.engine.identity import Owner
    from infra.engine.stack_operations import StackOperations
    from infra.operations.setup_prompts import SetupPrompter
    from infra.services import Service


class HetznerHost(Host):
    """A server with SSH key, firewall, private network, data volume and DNS records; its Docker is reached over SSH."""

    name = "hetzner"
    where = "on a rented server, which listens on 80 and 443,"
    makes_machine = True
    measures_containers = True
    generated_keys = ("ssh_key", "ssh_host_key", "ssh_boot_key")
    unused_settings = ("http_port", "https_port", "ssh_host", "ssh_port", "ssh_user", "server_price")

    def plan(self, settings: Settings, services: Sequence[Service], inputs: RentalInputs) -> Plan:
        from infra.cost.planning.planner import plan_server

        return plan_server(settings, services, inputs)

    def command_when_unknown(self, stack: str) -> str:
        return f"fds cost --stack {stack} with HCLOUD_TOKEN set, or --allow-snapshot"

    def account_token(self, settings: Settings, project: Path | None = None) -> str | None:
        return token.find(settings.stack, project)

    def account_endpoint(self) -> str:
        from infra.hosts.hetzner import api

        return api.endpoint()

    def take_configuration(self, stack: str, configuration: Mapping[str, str]) -> None:
        token.cache_token(stack, configuration)

    def target(self, inputs: TargetInputs) -> DockerTarget:
        if inputs.plan.server is None or inputs.keys is None:
            raise UsageError("a server needs a plan with a server and a folder for its keys")
        from infra.hosts.hetzner import server

        return server.target(inputs, inputs.plan.server, inputs.keys)

    def holds(self, resources: Sequence[Mapping[str, Any]]) -> bool:
        from infra.engine.state_edits import kind_of

        return any(kind_of(item) for item in resources)

    @contextmanager
    def docker_endpoint(self, settings: Settings, keys: Path) -> Iterator[Endpoint]:
        from stack_runtime.remote.tunnel import docker_socket

        with docker_socket(keys) as socket:
            yield Endpoint(socket)

    def claim(self, settings: Settings, owner: Owner, *, take_over: str, write: bool) -> None:
        from infra.hosts.hetzner import ownership

        ownership.claim(settings, owner, take_over=take_over, write=write)

    def preflight(self, settings: Settings, project: Path) -> str:
        from stack_runtime.remote.tunnel import require_ssh

        token.require(settings.stack)
        require_ssh()
        return "a token is set, and ssh is installed"

    def reconcile(self, operations: StackOperations, say: Say) -> bool:
        from infra.hosts.hetzner import reconcile

        return reconcile.before_deployment(operations, say)

    def bring_in_line(self, operations: StackOperations, say: Say) -> None:
        from infra.hosts.hetzner import reconcile

        reconcile.bring_in_line(operations, say)

    def differences(self, operations: StackOperations) -> dict[str, str]:
        from infra.hosts.hetzner import wanted
        from infra.hosts.hetzner.account import Account

        return wanted.differences(operations.settings, Account.of(operations.settings, operations.owner.identity))

    def created_at(self, operations: StackOperations) -> datetime | None:
        from infra.hosts.hetzner.account import server_created_at

        return server_created_at(operations.settings, operations.owner.identity)

    def repair(self, operations: StackOperations, wrong: Mapping[str, str], say: Say) -> None:
        from infra.engine import state_edits
        from infra.hosts.hetzner import reconcile

        reconcile.bring_in_line(operations, say)
        reconcile.read_again(operations, state_edits.urns_of(operations.recorded(), wrong), say)

    def after_failure(self, operations: StackOperations, say: Say) -> None:
        """Switch the server on, because a failed resize can leave it off."""
        from infra.engine import state_edits
        from infra.hosts.hetzner import recovery

        server = state_edits.recorded_server(operations.recorded())
        if server:
            recovery.switch_on(operations.settings, server, say)

    def destroy(self, operations: StackOperations, *, volumes: bool, say: Say) -> Removed:
        from infra.hosts.hetzner import reconcile

        return reconcile.destroy(operations, volumes=volumes, say=say)

    def loses(self, settings: Settings, *, volumes: bool) -> str:
        return "the server and its data" if volumes else "the server (its data volume stays, and is billed)"

    def missing(self, settings: Settings, configuration: Mapping[str, Any]) -> dict[str, str]:
        if configuration.get(TOKEN) or os.environ.get(token.VARIABLE):
            return {}
        return {"a Hetzner token": "export HCLOUD_TOKEN=TOKEN"}

    def prompt(self, prompter: SetupPrompter) -> list[str]:
        """Take a token from `HCLOUD_TOKEN`, else the stack file, else a prompt; check it with the API, and store it."""
        from infra.hosts.hetzner import api

        stack = prompter.stack
        stored, given = token.stored(stack), os.environ.get(token.VARIABLE, "")
        found = given or stored or prompter.usable("Hetzner Cloud API token (read and write)", api.verify, hidden=True)
        api.verify(found)
        if found == stored:
            return []
        prompter.deployment.keep_secret(TOKEN, found)
        token.cache_token(stack, {TOKEN: found})
        return ["token"]

"""Implement the host `ssh`: a server that the user already has, at any provider or at home.

Other modules of this package are imported inside the methods: they need Pulumi or `ssh`, which the agents' image lacks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.hosts.base import DockerTarget, Host, TargetInputs
from infra.settings import Settings
from stack_runtime.docker_endpoint import Endpoint
from stack_runtime.errors import UnreachableError, UsageError
from stack_runtime.remote import key_file
from stack_runtime.text import Say

if TYPE_CHECKING:
    from infra.cost.planning.capacity import Machine
    from infra.cost.planning.inputs import RentalInputs
    from infra.cost.planning.lines import Amount
    from infra.cost.planning.model import Plan
    from infra.engine.stack_operations import StackOperations
    from infra.operations.setup_prompts import SetupPrompter
    from infra.services import Service


class SshHost(Host):
    """The server of the setting `sshHost`, whose price the setting `serverPrice` states."""

    name = "ssh"
    where = "on a server of your own, which listens on 80 and 443,"
    needs_fds = True
    measures_containers = True
    generated_keys = ("ssh_key",)
    unused_settings = (
        "server_type", "location", "backups", "volume_gb", "snapshot_gb", "traffic_tb", "ssh_from", "dns_zone",
        "server_image", "http_port", "https_port",
    )  # fmt: skip

    def plan(self, settings: Settings, services: Sequence[Service], inputs: RentalInputs) -> Plan:
        from infra.cost.planning.owned import plan_owned

        return plan_owned(settings, services, inputs)

    def bill(self, settings: Settings, inputs: RentalInputs) -> tuple[Sequence[Amount], Sequence[str]]:
        from infra.cost.planning.owned import bill

        return bill(settings, inputs)

    def machine(self, settings: Settings, project: Path) -> Machine:
        """Return the resources of the server, which are read over SSH.

        The agents' container has no module for SSH, but it runs on the server itself. So it reads memory and CPU of its
        own machine.
        """
        from infra.cost.planning import capacity

        if find_spec("infra.hosts.ssh.commands") is None:
            return capacity.this_machine()
        from infra.hosts.ssh.commands import Server

        return Server.of(settings, project).capacity()

    def command_when_unknown(self, stack: str) -> str:
        return f"fds setup --stack {stack}, which asks for what is missing"

    def target(self, inputs: TargetInputs) -> DockerTarget:
        if inputs.keys is None:
            raise UsageError("a server needs a folder for its keys")
        from infra.hosts.ssh import server

        return server.target(inputs, inputs.keys)

    def holds(self, resources: Sequence[Mapping[str, Any]]) -> bool:
        """Return whether these resources are on a server that is reached over SSH: their Docker provider has `sshOpts`.

        This is true for a rented server too, so `HOSTS` lists the host `hetzner` first.
        """
        return any(
            item["type"] == "pulumi:providers:docker" and (item.get("inputs") or {}).get("sshOpts")
            for item in resources
        )

    @contextmanager
    def docker_endpoint(self, settings: Settings, keys: Path) -> Iterator[Endpoint]:
        from stack_runtime.remote.tunnel import docker_socket

        with ExitStack() as opened:
            try:
                socket = opened.enter_context(docker_socket(keys))
            except UnreachableError as error:
                error.next_command = f"check that {settings.ssh_host} is on, then fds up"
                raise
            yield Endpoint(socket)

    def preflight(self, settings: Settings, project: Path) -> str:
        from infra.hosts.ssh import known

        if not settings.ssh_host:
            raise UnreachableError("the setting sshHost is empty", next_command="fds setup")
        return f"ssh is installed; the server shows its pinned key {known.check(settings, project).fingerprint}"

    def trust(self, settings: Settings, project: Path, ask: Callable[[str], str] | None, accepted: str) -> None:
        from infra.hosts.ssh import known

        if settings.ssh_host:
            known.trust(settings, project, ask, accepted)

    def prepare(self, operations: StackOperations, say: Say, *, deploying: bool) -> None:
        """Prepare the server. Before a deployment, run the gate first, so that a refused plan changes nothing there."""
        from infra.component.stack import plan_for_deployment
        from infra.hosts import measuring
        from infra.hosts.ssh import prepare

        if deploying:
            plan_for_deployment(operations.settings, operations.project, operations.owner.identity)
        prepare.prepare(operations, say, self.ports(operations.settings) if deploying else ())
        if deploying and measuring.is_wanted(operations.settings):
            prepare.measure(operations, say)

    def may_hold(self, keys: Path) -> bool:
        return key_file(keys).exists()

    def docker_name(self, settings: Settings) -> str:
        return f"Docker on {settings.ssh_host}"

    def leave(self, operations: StackOperations, say: Say) -> None:
        from infra.hosts.ssh import prepare

        prepare.leave(operations, say)

    def loses(self, settings: Settings, *, volumes: bool) -> str:
        return f"the data on {settings.ssh_host}" if volumes else ""

    def missing(self, settings: Settings, configuration: Mapping[str, Any]) -> dict[str, str]:
        from infra.hosts.ssh import prompts

        return prompts.missing(settings)

    def prompt(self, prompter: SetupPrompter) -> list[str]:
        from infra.hosts.ssh import prompts

        return prompts.prompt(prompter)

"""Define the interface of a host: the machine that a stack's containers run on, and what depends on its kind.

`infra.hosts.host_of` returns the host of a stack. No other package compares the setting `host` with a name.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.settings import Settings
from stack_runtime.docker_endpoint import Endpoint
from stack_runtime.errors import UsageError
from stack_runtime.text import Say

if TYPE_CHECKING:  # not at run time: the agents' image has no engine and no providers
    import pulumi
    import pulumi_docker as docker

    from infra.cost.planning.capacity import Machine
    from infra.cost.planning.inputs import RentalInputs
    from infra.cost.planning.lines import Amount
    from infra.cost.planning.model import Plan
    from infra.engine.identity import Owner
    from infra.engine.stack_operations import StackOperations
    from infra.operations.setup_prompts import SetupPrompter
    from infra.services import Service


@dataclass(frozen=True)
class DockerTarget:
    """A Docker daemon, as the Pulumi program uses it.

    `gone_with` is the machine that the daemon runs on: when the machine is destroyed, everything on it is gone too.
    """

    provider: docker.Provider
    gone_with: pulumi.Resource | None = None
    address: pulumi.Input[str] = "127.0.0.1"
    """Address of the machine."""


@dataclass(frozen=True)
class TargetInputs:
    """What a host needs to register its resources.

    Args:
        plan: the plan that passed the gate.
        secrets: the stack's secrets by name, given and generated.
        keys: folder for the key files of `ssh`, readable only by its owner; None if the program has no such folder.
        options: options of every resource.
        adopt: import ids by kind, for resources that an interrupted deployment left in the account.
        wait: whether to wait until the machine is ready; False when only resources of the cloud account are updated.
        identity: the stack's identity, which resources get as a label.
    """

    settings: Settings
    plan: Plan
    secrets: pulumi.Output[Mapping[str, str]]
    keys: Path | None
    options: pulumi.ResourceOptions
    adopt: Mapping[str, str] = field(default_factory=dict)
    wait: bool = True
    identity: str = ""


@dataclass(frozen=True)
class Removed:
    """Result of a removal: number of removed resources, and names of removed data volumes."""

    resources: int
    volumes: list[str]


class Host(ABC):
    """One kind of host. An instance holds no state, because everything is in the settings of a stack."""

    name: str
    """Value of the setting `host`."""
    where: str
    """Where a stack on this host runs, as the beginning of a warning, such as "on this machine"."""
    on_this_machine: bool = False
    """Whether the host is this machine: then nothing is paid for, and nothing is reachable from other machines."""
    makes_machine: bool = False
    """Whether a deployment creates the machine, for only one stack, with a data volume that can grow but not shrink.

    Otherwise the machine exists before and after the stack, and may serve other stacks too."""
    needs_fds: bool = False
    """Whether only `fds` can deploy to the machine, because a Pulumi program cannot prepare it."""
    measures_containers: bool = False
    """Whether a deployment installs the timer that measures the containers (`infra.hosts.container_metrics`)."""
    bind_address: str = "0.0.0.0"
    """Address of the machine on which the proxy's ports are published."""
    generated_keys: tuple[str, ...] = ()
    """Names of the secrets that are SSH key pairs of this host."""
    unused_settings: tuple[str, ...] = ()
    """Settings (names of the model's fields) that have no effect on this host."""

    def ports(self, settings: Settings) -> tuple[int, int]:
        """Return the ports of the machine for HTTP and HTTPS."""
        return 80, 443

    # Planning

    @abstractmethod
    def plan(self, settings: Settings, services: Sequence[Service], inputs: RentalInputs) -> Plan:
        """Return what the settings cost on this host and whether they may be deployed. The method is pure."""

    def bill(self, settings: Settings, inputs: RentalInputs) -> tuple[Sequence[Amount], Sequence[str]]:
        """Return the items whose prices are in the settings, such as the user's own server.

        Also return reasons for the verdict `unknown`, such as a missing price. The method is pure.
        """
        return (), ()

    def machine(self, settings: Settings, project: Path) -> Machine | None:
        """Return memory, CPU and disk of a server that the user already has; the other hosts return None."""
        return None

    def command_when_unknown(self, stack: str) -> str:
        """Return the command that an error advises after the verdict `unknown`, for example if a price is missing."""
        return f"fds cost --stack {stack} --explain"

    def account_token(self, settings: Settings, project: Path | None = None) -> str | None:
        """Return the stack's API token for the provider of the price list; None when there is none.

        Raises:
            StackError: the stored token cannot be decrypted.
        """
        return None

    def account_endpoint(self) -> str:
        """Return the address of the provider's API for prices and resources; empty when there is none."""
        return ""

    def take_configuration(self, stack: str, configuration: Mapping[str, str]) -> None:
        """Keep the values that later calls need from the engine's decrypted configuration, such as the API token."""
        return

    # Pulumi resources

    @abstractmethod
    def target(self, inputs: TargetInputs) -> DockerTarget:
        """Register the resources of the machine and return its Docker daemon.

        Raises:
            UsageError: a needed input is missing, such as the folder for keys.
        """

    @abstractmethod
    def holds(self, resources: Sequence[Mapping[str, Any]]) -> bool:
        """Return whether these resources of a Pulumi state were deployed to this kind of host."""

    # Commands

    @abstractmethod
    def docker_endpoint(self, settings: Settings, keys: Path) -> AbstractContextManager[Endpoint]:
        """Return a context manager that yields an endpoint of the machine's Docker, valid inside the context.

        Raises:
            UnreachableError: the machine does not answer.
        """

    def docker_name(self, settings: Settings) -> str:
        """Return the words by which a message names the machine's Docker daemon."""
        return "Docker on the server"

    def may_hold(self, keys: Path) -> bool:
        """Return whether the machine's Docker may have resources of the stack; False if no deployment prepared it."""
        return True

    def claim(self, settings: Settings, owner: Owner, *, take_over: str, write: bool) -> None:
        """Check that the stack owns the resources with its name; with `write`, also label them (see `infra.ownership`).

        This method is only for a host that creates its machine.
        """
        raise NotImplementedError

    @abstractmethod
    def preflight(self, settings: Settings, project: Path) -> str:
        """Check that everything a deployment needs is there, before the deployment changes anything; return a summary.

        Raises:
            UnreachableError: something is missing; the message names the next command.
        """

    def trust(self, settings: Settings, project: Path, ask: Callable[[str], str] | None, accepted: str) -> None:
        """Check that a person has accepted the host key of a machine that the user already has; if not, ask a person.

        Args:
            ask: shows a text to a person and returns the answer; None without a terminal.
            accepted: fingerprint that was accepted beforehand.

        Raises:
            UnreachableError: the key was not accepted, or differs from the key that was accepted before.
            UsageError: the person did not type `yes`; or a key was accepted, but this host has no key to accept.
        """
        if accepted:
            raise UsageError(f"host {self.name} has no host key to accept", next_command="leave out --accept-host-key")

    def prepare(self, operations: StackOperations, say: Say, *, deploying: bool) -> None:
        """Prepare a machine that the user already has, so that its Docker can be reached; other hosts do nothing here.

        Args:
            deploying: True for a deployment, which the gate may refuse; False for the removal of the stack.

        Raises:
            RefusedError, UnknownError: the gate refuses the deployment.
        """
        return

    def reconcile(self, operations: StackOperations, say: Say) -> bool:
        """Before a deployment, correct the Pulumi state.

        A killed deployment or a manual change may have made it wrong.

        Returns: whether Docker can be reached now.
        """
        return True

    def bring_in_line(self, operations: StackOperations, say: Say) -> None:
        """Correct the Pulumi state between two attempts of a deployment."""
        return

    def differences(self, operations: StackOperations) -> dict[str, str]:
        """Return how the machine differs from the settings after a deployment: a text by kind of resource."""
        return {}

    def created_at(self, operations: StackOperations) -> datetime | None:
        """Return when the deployment created the machine; None if it did not create one, or the time is unknown.

        Raises:
            UnreachableError: the provider does not answer.
        """
        return None

    def repair(self, operations: StackOperations, wrong: Mapping[str, str], say: Say) -> None:
        """Correct the Pulumi state, so that another deployment repairs `wrong`, the result of `differences`."""
        return

    def after_failure(self, operations: StackOperations, say: Say) -> None:
        """Make the machine work again after a deployment failed."""
        return

    def destroy(self, operations: StackOperations, *, volumes: bool, say: Say) -> Removed:
        """Destroy the machine, and with `volumes` also the data volume.

        This method is only for a host that makes its machine.
        """
        raise NotImplementedError

    def leave(self, operations: StackOperations, say: Say) -> None:
        """Remove the stack's access to a machine that `fds down` does not delete, after its containers are gone."""
        return

    def loses(self, settings: Settings, *, volumes: bool) -> str:
        """Return what `fds down` would delete for good, so that a person can confirm it; empty if nothing is lost."""
        return ""

    # Setup

    @property
    def needs_setup(self) -> bool:
        """Whether `fds setup` asks a person for values of a stack on this host."""
        return not self.on_this_machine

    def missing(self, settings: Settings, configuration: Mapping[str, Any]) -> dict[str, str]:
        """Return, for each missing value that only a person knows, its name and the command that sets it.

        Args:
            configuration: the configuration in the stack file, by key.
        """
        return {}

    def prompt(self, prompter: SetupPrompter) -> list[str]:
        """Ask a person for the values that are `missing`, and store them.

        Returns: the names of the stored values.
        """
        return []

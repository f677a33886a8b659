"""Run deployments through the engine's Automation API, for `fds up`, `preview`, `down` and `drift`."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from pulumi import automation as auto

from infra.component import generated_secrets
from infra.cost import Plan, sold_out
from infra.engine import state_edits
from infra.engine.environment import environment
from infra.engine.errors import to_stack_error
from infra.engine.identity import EngineState, Owner
from infra.engine.locks import drop_torn, holder, release_dead
from infra.engine.progress import Progress
from infra.hosts import host_of, recorded_host
from infra.program import main
from infra.settings import Settings
from infra.stack_file import config, read
from infra.stack_secrets import SECRETS, readable
from stack_runtime.errors import LockedError, RefusedError, StackError
from stack_runtime.paths import PROJECT

POLICY_PACK = Path(__file__).resolve().parents[1] / "policy"

Result = TypeVar("Result")


class StackOperations:
    """The engine's operations on one stack of a project, such as deployment and removal.

    Args:
        approved: the only settings that may be deployed; None when no approval is needed.
        agreed: called with the plan before any resource is registered; raises an error if the approval does not cover
            the plan.

    Raises:
        UsageError: the stack file is missing or wrong.
        UnreachableError: the engine is missing.
    """

    def __init__(
        self,
        project: Path,
        stack: str,
        progress: Progress,
        approved: Settings | None = None,
        agreed: Callable[[Plan], None] | None = None,
    ) -> None:
        self.settings = read(project, stack)
        self._approved = approved
        self._agreed = agreed
        self.project = project
        self._progress = progress
        self.adopt: Mapping[str, str] = {}
        """Import ids by kind, for resources that the Pulumi state lacks; the next `up` adopts them."""
        self.refresh_first = False
        """Whether the next `up` refreshes the Pulumi state first, because a resource in it no longer exists."""
        self.leaving = False
        """Whether the stack is being removed; then nothing is repaired."""
        self._wait = True
        self._record: state_edits.Deployment | None = None
        self._refusal: StackError | None = None
        self.plan: Plan | None = None
        """The plan that the program made when the engine last ran it; None before the first run."""
        self._environment = self._engine_environment()
        os.environ["PATH"] = self._environment["PATH"]  # the Automation API looks for the engine on this PATH
        for clear in (release_dead, drop_torn):
            clear(self._environment["PULUMI_BACKEND_URL"], stack)
        self._stack = self._run(self._open)

    def up(self, only: Sequence[str] = ()) -> dict[str, int]:
        """Deploy the stack as its file describes it.

        Args:
            only: URNs of the resources of the cloud account to update; empty to deploy all resources. An update of only
                some resources does not wait for the server.

        Returns: number of resources by operation (`create`, `update`, `replace`, `delete`, `same`).
        """
        watch = self._progress
        self.refuse_another_host()
        self._wait = not only
        self._change(
            lambda: self._stack.up(
                target=state_edits.with_present_names(only, self.settings.stack) or None,
                on_event=watch.on_event,
                suppress_outputs=True,
                show_secrets=False,
                color="never",
                policy_packs=self._policies(),
                refresh=self.refresh_first or None,
            )
        )
        return watch.changes

    def down(self) -> dict[str, int]:
        """Destroy what the engine created, except data volumes. Returns: number of resources by operation."""
        watch = self._progress
        self._change(lambda: self._stack.destroy(on_event=watch.on_event, color="never"))
        return watch.changes

    def refresh(self, urns: Sequence[str]) -> None:
        """Refresh these resources: write what really exists into the Pulumi state."""
        self._change(lambda: self._stack.refresh(target=list(urns), suppress_outputs=True, color="never"))

    @cached_property
    def owner(self) -> Owner:
        """Return the stack's identity, which is created on first use, and its Pulumi state."""
        return EngineState(self.project, self.settings.stack, self._environment).owner(write=True)

    def refuse_locked(self) -> None:
        """Check that no other deployment holds the stack's lock, and discard the cached Pulumi state.

        A deployment that has ended since the state was cached may have changed it.

        Raises:
            LockedError: another deployment holds the lock.
        """
        self._record = None
        if holder(self._environment["PULUMI_BACKEND_URL"], self.settings.stack):
            raise self._locked()

    def refuse_another_host(self) -> None:
        """Refuse a change of the setting `host`: the engine would delete everything on the old host.

        Raises:
            RefusedError: the resources in the Pulumi state are on a host other than the one in the settings.
        """
        host, stack = recorded_host(self.recorded()), self.settings.stack
        if host not in ("", self.settings.host):
            raise RefusedError(
                f"stack {stack} is on host {host} and cannot move to {self.settings.host}",
                where=f"Pulumi.{stack}.yaml",
                next_command=f"pulumi config set host {host} --stack {stack}, or first fds down --stack {stack}",
            )

    def secrets(self) -> dict[str, str]:
        """Return the decrypted secrets of the stack file by name."""
        found = self._run(self._stack.get_all_config).get(f"{PROJECT}:{SECRETS}")
        return dict(json.loads(found.value)) if found else {}

    def keep_secret(self, key: str, value: str) -> None:
        """Write one encrypted value into the stack file.

        The value is passed on stdin, because other users of the machine can read the arguments of a command.

        Args:
            key: the key with its namespace; for a value in an object, with its path, such as `NAMESPACE:secrets.NAME`.
        """
        command = ["pulumi", "config", "set", "--secret", "--path", key, "--stack", self.settings.stack]
        done = subprocess.run(
            [*command, "--non-interactive"],
            cwd=self.project,
            env={**os.environ, **self._environment},
            input=f"{value}\n",  # the engine strips one newline, and a private key must end with a newline
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise StackError(
                _last_line(done.stderr), where=f"Pulumi.{self.settings.stack}.yaml", next_command="fds doctor"
            )

    def _policies(self) -> list[str] | None:
        """Return the policy pack, which checks the real resources after the gate; None for a local stack."""
        return None if host_of(self.settings).on_this_machine else [str(POLICY_PACK)]

    def recorded(self) -> state_edits.Deployment:
        """Return the Pulumi state of the stack. It is cached, because the engine takes half a second to export it."""
        if self._record is None:
            self._record = dict(self._run(self._stack.export_stack).deployment or {})
        return self._record

    def record(self, deployment: state_edits.Deployment) -> None:
        """Replace the Pulumi state of the stack."""
        self._change(lambda: self._stack.import_stack(auto.Deployment(version=3, deployment=deployment)))

    def generate_secrets(self) -> list[str]:
        """Generate every secret that the services need and the stack file lacks, and store it encrypted in the file.

        Returns: the names of the new secrets.
        """
        missing = sorted(generated_secrets.names(self.settings) - self._present())
        for name in missing:
            self.keep_secret(f"{PROJECT}:{SECRETS}.{name}", generated_secrets.value(name))
        return missing

    def _present(self) -> set[str]:
        """Return the names of the secrets in the stack file; if one encrypted value holds all secrets, decrypt it."""
        found = readable(config(self.project, self.settings.stack))
        return set(self.secrets() if found is None else found)

    def _engine_environment(self) -> dict[str, str]:
        """Return the environment variables for the engine."""
        return environment(self.project, self.settings.stack)

    def _open(self) -> auto.Stack:
        workspace = auto.LocalWorkspace(str(self.project), program=self._program, env_vars=self._environment)
        return auto.Stack.create_or_select(self.settings.stack, workspace)

    def _program(self) -> None:
        try:
            self.plan = main(self.project, self.adopt, self._approved, self._agreed, wait=self._wait, owner=self.owner)
        except StackError as refusal:
            self._refusal = refusal
            raise

    def _change(self, action: Callable[[], object]) -> None:
        """Run an engine command, then discard the cached Pulumi state, because even a failed command may change it."""
        try:
            self._run(action)
        finally:
            self._record = None

    def _run(self, action: Callable[[], Result], *, planned: bool = False) -> Result:
        """Run one engine command, and convert its failure to a `StackError`; `planned` is True for a preview."""
        self._progress.begin(planned=planned)
        try:
            return action()
        except auto.ConcurrentUpdateError:
            raise self._locked() from None
        except auto.CommandError as error:
            if self._refusal:
                raise self._refusal from None
            stack = self.settings.stack
            if violation := self._progress.first_violation():
                advice = f"fds cost --stack {stack} --explain"
                raise RefusedError(violation, where=f"policy pack, stack {stack}", next_command=advice) from None
            reason = sold_out.reason(self._progress.errors_of("Server", f"{stack}-server"))
            if reason and self.plan and self.plan.server:
                raise sold_out.refusal(self.settings, self.plan.server, self.project, reason) from None
            raise to_stack_error(self._progress.first_error() or _last_line(str(error)), stack) from None

    def _locked(self) -> LockedError:
        stack = self.settings.stack
        who = holder(self._environment["PULUMI_BACKEND_URL"], stack) or "somebody"
        return LockedError(
            f"another deployment of {stack} is running, started by {who}",
            next_command=f"wait for it, or break the lock with pulumi cancel --stack {stack}",
        )


def _last_line(text: str) -> str:
    """Return the last error in the engine's output, else its last line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("error:")]
    return (errors or lines or ["the engine failed without output"])[-1].removeprefix("error: ")

"""Read the settings, check their plan with the gate, and register the stack, for `pulumi up` and `fds up`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from operator import itemgetter
from pathlib import Path

import pulumi
from pulumi.runtime import config as runtime_config

from infra import stack_file
from infra.component import generated_secrets
from infra.component.args import DataStackArgs, Operation
from infra.component.stack import DataStack
from infra.cost import Plan
from infra.engine.identity import Owner
from infra.hosts import take_configuration
from infra.ownership import claim
from infra.settings import Settings
from infra.stack_secrets import SECRETS
from stack_runtime.errors import RefusedError
from stack_runtime.paths import PROJECT


def main(
    project: Path,
    adopt: Mapping[str, str] | None = None,
    approved: Settings | None = None,
    agreed: Callable[[Plan], None] | None = None,
    *,
    wait: bool = True,
    owner: Owner | None = None,
) -> Plan:
    """Run the Pulumi program; raise an error before any resource is registered if the settings may not be deployed.

    Args:
        project: the folder of the stack file.
        adopt: Pulumi import ids by kind of resource, for resources that an interrupted deployment left in the account.
        approved: the only settings that may be deployed; None when no approval is needed.
        agreed: called with the plan before any resource is registered; raises an error if the plan is not approved.
        wait: whether to wait until the server is ready; False when only resources of the cloud account are updated.
        owner: the stack's identity and Pulumi state; None to skip the check for another stack of the same name.

    Returns: the plan that passed the gate.

    Raises:
        UsageError: the stack file is wrong, or Pulumi resolved settings that differ from it.
        RefusedError: the gate or the approval refuses the plan, or another stack owns resources with this stack's name.
        UnknownError: a price, the rate or a capacity is unknown or too old, so the gate cannot decide.
    """
    stack_name = pulumi.get_stack()
    settings = stack_file.resolved(project, stack_name, runtime_config.CONFIG.get())
    if approved is not None:
        _require_approved(settings, approved)
    take_configuration(stack_name, runtime_config.CONFIG.get())  # caches the API token, which `claim` needs
    secrets = _secrets(settings)
    if owner is not None:
        claim(settings, project, owner, write=not pulumi.runtime.is_dry_run())
    operation = Operation(project, adopt or {}, wait, agreed, owner.identity if owner else "")
    stack = DataStack(settings.stack, DataStackArgs(settings, secrets, operation=operation))
    pulumi.export("urls", stack.urls)
    pulumi.export("monthly_usd", f"{stack.plan.total_usd:.2f}")
    return stack.plan


def _require_approved(settings: Settings, approved: Settings) -> None:
    """Raise a RefusedError if the settings of the stack file are not the approved ones."""
    if settings != approved:
        raise RefusedError(
            f"Pulumi.{settings.stack}.yaml no longer has the approved settings", next_command="ask for a new plan"
        )


def _secrets(settings: Settings) -> dict[str, pulumi.Output[str]]:
    """Return the secrets in the stack file by name.

    Raises:
        UsageError: a secret that the settings need is missing.
    """
    names = json.loads(runtime_config.CONFIG.get().get(f"{PROJECT}:{SECRETS}") or "{}")
    generated_secrets.require(settings, names)
    values = pulumi.Output.from_input(pulumi.Config(PROJECT).get_secret_object(SECRETS, {}))
    return {name: values.apply(itemgetter(name)) for name in names}

"""What `pulumi up` and `fds up` run: read the settings, pass the gate, register the stack."""

from __future__ import annotations

import json
from typing import Any

import pulumi
from pulumi.runtime import config as runtime_config

from infra import generated, token
from infra.cost import Plan
from infra.hosts.hetzner.account import NOTHING, Account
from infra.reach import keys_folder
from infra.settings import Settings
from infra.stack import DataStack
from stack_runtime.paths import PROJECT, project_dir


def main(adopt: Account = NOTHING, *, wait: bool = True) -> Plan:
    """The Pulumi program. Raises before any resource is registered when the settings may not be deployed.

    Args:
        adopt: what an interrupted deployment left in the account.
        wait: until a server is ready; not where only the account is dealt with.

    Returns: the plan that passed the gate.
    """
    settings = settings_from_config()
    token.tell(settings.stack, runtime_config.CONFIG.get())
    generated.require(settings, json.loads(runtime_config.CONFIG.get().get(f"{PROJECT}:secrets") or "{}"))
    secrets = pulumi.Config(PROJECT).require_secret_object("secrets")
    stack = DataStack(settings, secrets, keys_folder(project_dir(), settings.stack), adopt, wait=wait)
    pulumi.export("urls", stack.urls)
    pulumi.export("monthly_usd", f"{stack.plan.total_usd:.2f}")
    return stack.plan


def settings_from_config() -> Settings:
    """The settings as the engine hands them over; an unknown key is an error, not a silence."""
    prefix = f"{PROJECT}:"
    values: dict[str, Any] = {
        key.removeprefix(prefix): value
        for key, value in runtime_config.CONFIG.get().items()
        if key.startswith(prefix) and key != f"{prefix}secrets"
    }
    return Settings.of(pulumi.get_stack(), values)

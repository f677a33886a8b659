"""Removing a stack: past its protection, down to what the engine does not know of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from infra.docker_access import daemon
from infra.engine import state_edits
from infra.engine.errors import retry_when_busy
from infra.engine.stack_operations import StackOperations
from infra.hosts.hetzner.account import Account
from infra.operations.reconcile import forget_gone
from infra.ownership import claim
from stack_runtime import docker_owner
from stack_runtime.docker_host import remove_leftovers, remove_unused_images


@dataclass(frozen=True)
class Removed:
    """What went: resources counted by the engine, data volumes by name."""

    resources: int
    volumes: list[str]


def remove(deployment: StackOperations, *, volumes: bool, say: Callable[[str], None], take_over: str = "") -> Removed:
    """Destroy the stack. Whoever calls this has asked before.

    Args:
        take_over: what a person typed to remove resources of another stack with this name as well.

    Raises:
        ForeignError: another stack owns something with this stack's name; nothing was removed.
        LockedError: a deployment is at work.
        UnreachableError: Docker or the account does not answer.
    """
    deployment.refuse_locked()
    claim(deployment.settings, deployment.owner, take_over=take_over)
    if deployment.settings.host == "hetzner":
        return _with_server(deployment, volumes=volumes, say=say)
    with daemon(deployment.project, deployment.settings.stack) as client:
        built = state_edits.built_images(deployment.recorded())
        count = deployment.down().get("delete", 0)
        left = remove_leftovers(client, deployment.settings.stack, volumes=volumes)
        remove_unused_images(client, built)
        if not docker_owner.ids(client, deployment.settings.stack):
            docker_owner.release(client, deployment.settings.stack)
    return Removed(count, left["volumes"])


def _with_server(deployment: StackOperations, *, volumes: bool, say: Callable[[str], None]) -> Removed:
    from infra.hosts.hetzner import recovery

    identity = deployment.owner.identity

    def destroyed() -> dict[str, int]:
        """Remove from the record what an earlier attempt deleted (the provider fails on some of it), then destroy."""
        account = Account.of(deployment.settings, identity)
        record = forget_gone(deployment, deployment.recorded(), account, say)
        recovery.lift_protection(deployment.settings, identity, volumes=volumes)
        deployment.record({**state_edits.unprotected(record), "pending_operations": []})
        return deployment.down()

    deployment.leaving = True
    count = retry_when_busy(destroyed, say).get("delete", 0)
    left = recovery.remove_leftovers(deployment.settings, identity, volumes=volumes)
    data = left.pop("volume", [])
    for kind, names in left.items():
        for name in names:
            say(f"removed {name} ({kind.replace('_', ' ')}), which an interrupted deployment left behind")
    return Removed(count + sum(map(len, left.values())), data)

"""Removing a stack: past its protection, down to what the engine does not know of."""

from __future__ import annotations

from collections.abc import Callable

from infra import build_context
from infra.docker_access import daemon
from infra.engine import state_edits
from infra.engine.stack_operations import StackOperations
from infra.hosts import host_of
from infra.hosts.base import Removed
from infra.ownership import claim
from stack_runtime import docker_owner
from stack_runtime.docker_host import images_in, remove_leftovers, remove_unused_images


def remove(deployment: StackOperations, *, volumes: bool, say: Callable[[str], None], take_over: str = "") -> Removed:
    """Destroy the stack. Whoever calls this has asked before.

    Args:
        take_over: what a person typed to remove resources of another stack with this name as well.

    Raises:
        ForeignError: another stack owns something with this stack's name; nothing was removed.
        LockedError: a deployment is at work.
        UnreachableError: Docker or the account does not answer.
    """
    host = host_of(deployment.settings)
    deployment.refuse_locked()
    host.prepare(deployment, say, deploying=False)
    claim(deployment.settings, deployment.project, deployment.owner, take_over=take_over)
    if host.makes_machine:
        return host.destroy(deployment, volumes=volumes, say=say)
    with daemon(deployment.project, deployment.settings.stack) as client:
        # the record lacks the images of killed deployments
        named = images_in(client, build_context.repositories(deployment.settings.stack))
        built = named | state_edits.built_images(deployment.recorded())
        count = deployment.down().get("delete", 0)
        left = remove_leftovers(client, deployment.settings.stack, volumes=volumes)
        remove_unused_images(client, built)
        if not docker_owner.ids(client, deployment.settings.stack):
            docker_owner.release(client, deployment.settings.stack)
    host.leave(deployment, say)
    return Removed(count, left["volumes"])

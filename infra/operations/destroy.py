"""Remove a stack, including protected resources and those that the engine did not record."""

from __future__ import annotations

from infra.docker_access import daemon
from infra.engine.stack_operations import StackOperations
from infra.hosts import host_of
from infra.hosts.base import Removed
from infra.operations.images import built_images
from infra.ownership import claim
from stack_runtime import docker_owner
from stack_runtime.docker_host import remove_leftovers, remove_unused_images
from stack_runtime.text import Say


def remove(deployment: StackOperations, *, volumes: bool, say: Say, take_over: str = "") -> Removed:
    """Destroy the stack. The caller has asked for confirmation.

    Args:
        take_over: what a person typed to remove resources of another stack with this name as well.

    Raises:
        ForeignError: another stack owns something with this stack's name; nothing was removed.
        LockedError: a deployment is running.
        UnreachableError: Docker or the account does not answer.
    """
    host = host_of(deployment.settings)
    deployment.refuse_locked()
    host.prepare(deployment, say, deploying=False)
    claim(deployment.settings, deployment.project, deployment.owner, take_over=take_over)
    if host.makes_machine:
        return host.destroy(deployment, volumes=volumes, say=say)
    with daemon(deployment.project, deployment.settings.stack) as client:
        built = built_images(client, deployment.settings.stack, deployment.recorded())
        count = deployment.down().get("delete", 0)
        left = remove_leftovers(client, deployment.settings.stack, volumes=volumes)
        remove_unused_images(client, built)
        if not docker_owner.ids(client, deployment.settings.stack):
            docker_owner.release(client, deployment.settings.stack)
    host.leave(deployment, say)
    return Removed(count, left["volumes"])

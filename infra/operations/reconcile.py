"""Correct the Pulumi state before a deployment; a killed deployment or a manual change may have made it wrong."""

from __future__ import annotations

from infra.docker_access import daemon
from infra.engine import state_edits
from infra.engine.stack_operations import StackOperations
from infra.hosts import host_of
from infra.ownership import claim
from stack_runtime.docker_host import ids, remove_unrecorded, start_stopped
from stack_runtime.text import Say


def reconcile(deployment: StackOperations, say: Say, take_over: str = "") -> tuple[state_edits.Deployment, bool]:
    """Correct the Pulumi state, start stopped containers, and remove containers and networks that the state lacks.

    Args:
        take_over: what a person typed to take over resources of another stack with this name.

    Returns: the Pulumi state, and whether the host's Docker can be reached already.

    Raises:
        ForeignError: another stack owns a resource with this stack's name.
        LockedError: another deployment is running.
        UnreachableError: the host or its account does not answer, or the account has none of the stack's resources.
    """
    deployment.refuse_locked()
    deployment.refuse_another_host()  # before `prepare`, which would already write to the new host
    host = host_of(deployment.settings)
    host.prepare(deployment, say, deploying=True)
    claim(deployment.settings, deployment.project, deployment.owner, take_over=take_over)
    ready = host.reconcile(deployment, say)
    record = deployment.recorded()
    if ready:
        _remove_strays(deployment, record, say)
    return record, ready


def _remove_strays(deployment: StackOperations, record: state_edits.Deployment, say: Say) -> None:
    stack = deployment.settings.stack
    containers, networks = (state_edits.ids_of(record, kind) for kind in (state_edits.CONTAINER, state_edits.NETWORK))
    with daemon(deployment.project, stack) as client:
        deployment.refuse_locked()  # the containers of a deployment that began meanwhile must not be removed
        for name in remove_unrecorded(client, stack, containers, networks):
            say(f"removed {name}, which an interrupted deployment left behind")
        for name in start_stopped(client, stack):
            say(f"started {name}, which somebody had stopped")
        if containers - ids(client, stack):
            say("containers of the stack are gone, so its record is refreshed first")
            deployment.refresh_first = True

"""Find and remove the images that deployments of a stack built."""

from __future__ import annotations

from docker import DockerClient

from infra import build_context
from infra.engine import state_edits
from infra.engine.stack_operations import StackOperations
from infra.hosts import host_of
from stack_runtime.docker_host import images_in, remove_unused_images
from stack_runtime.errors import LockedError
from stack_runtime.text import Say


def built_images(client: DockerClient, stack: str, record: state_edits.Deployment) -> set[str]:
    """Return the names of all images built for `stack`: those in its state `record` and those of killed deployments."""
    return images_in(client, build_context.repositories(stack)) | state_edits.built_images(record)


def remove_former_images(
    client: DockerClient,
    deployment: StackOperations,
    former: state_edits.Deployment,
    record: state_edits.Deployment,
    say: Say,
) -> None:
    """Remove the images that earlier deployments (also failed or killed ones) built and that the stack no longer needs.

    On a rented server, which has only this stack, also remove all other unused built images and images without a name.

    If another deployment has begun, nothing is removed: its new images would look unused, because its containers do not
    exist yet.

    Args:
        former: the Pulumi state before the deployment.
        record: the Pulumi state after the deployment.
    """
    unneeded = built_images(client, deployment.settings.stack, former) - state_edits.built_images(record)
    try:
        deployment.refuse_locked()
    except LockedError:
        return
    removed = remove_unused_images(client, unneeded)
    if host_of(deployment.settings).makes_machine:
        removed += remove_unused_images(client)
    for image in removed:
        say(f"removed image {image}, which no service uses any more")

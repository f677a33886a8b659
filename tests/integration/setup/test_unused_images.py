"""Test that images built for a stack are removed if no container of any stack uses them."""

from __future__ import annotations

import io
import secrets
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import docker
import pytest
from docker.errors import ImageNotFound

from infra import build_context
from infra.engine.stack_operations import StackOperations
from infra.operations.images import remove_former_images
from infra.settings import Settings
from stack_runtime.docker_host import images_in, local_docker, remove_unused_images
from stack_runtime.errors import LockedError
from stack_runtime.paths import IMAGES

STACK = "unused-test"


@pytest.fixture
def client() -> Iterator[docker.DockerClient]:
    found = local_docker()
    yield found
    found.close()


@pytest.fixture
def images(client: docker.DockerClient) -> Iterator[list[str]]:
    """Create two images with names as a deployment of the stack gives them, and yield the names."""
    made = [f"{IMAGES}/{STACK}-pipeline:{secrets.token_hex(8)}" for _ in range(2)]
    for name in made:
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            archive.addfile(tarfile.TarInfo(name.rpartition(":")[2]))
        repository, _, tag = name.rpartition(":")
        client.api.import_image_from_data(packed.getvalue(), repository=repository, tag=tag)
    yield made
    for name in made:
        try:
            client.images.remove(name, force=True)
        except ImageNotFound:
            continue


def test_image_that_a_container_uses_is_kept_and_an_unused_image_is_removed(
    client: docker.DockerClient, images: list[str]
) -> None:
    used, unused = images
    container = client.containers.create(used, ["nothing"], labels={"fds.stack": "another"})
    try:
        assert remove_unused_images(client, images) == [unused]
        assert client.images.get(used)
        with pytest.raises(ImageNotFound):
            client.images.get(unused)
    finally:
        container.remove()
    assert remove_unused_images(client, images) == [used]


def test_unused_image_that_is_not_in_the_given_list_is_kept(client: docker.DockerClient, images: list[str]) -> None:
    assert remove_unused_images(client, images[:1]) == images[:1]
    assert client.images.get(images[1])


def test_image_that_another_stack_uses_loses_only_the_name_of_this_stack(
    client: docker.DockerClient, images: list[str]
) -> None:
    """Two stacks build the same image, so it has two names; a container of the other stack uses the image."""
    ours, theirs = images[0], f"{IMAGES}/another-test:{secrets.token_hex(8)}"
    image = client.images.get(ours)
    assert image.tag(theirs)
    container = client.containers.create(theirs, ["nothing"], labels={"fds.stack": "another"})
    try:
        assert remove_unused_images(client, [ours]) == [ours]
        assert client.images.get(theirs).id == image.id
    finally:
        container.remove()
        client.images.remove(theirs)


def test_images_of_a_stack_are_found_without_a_pulumi_state(client: docker.DockerClient, images: list[str]) -> None:
    """A killed deployment leaves images that the Pulumi state does not have, so images are found by name.

    An image of another stack is not found, even if the other stack's name begins with the name of this stack.
    """
    theirs = f"{IMAGES}/{STACK}-two-pipeline:{secrets.token_hex(8)}"
    assert client.images.get(images[0]).tag(theirs)
    try:
        assert images_in(client, build_context.repositories(STACK)) == set(images)
    finally:
        client.images.remove(theirs)


@dataclass
class _Deployment:
    """Double of a deployment that has ended; `locked` tells whether another deployment is running."""

    locked: bool
    settings: Settings

    def refuse_locked(self) -> None:
        if self.locked:
            raise LockedError("another deployment", next_command="wait")


def _record(*names: str) -> dict[str, Any]:
    return {"resources": [{"type": "docker:index/remoteImage:RemoteImage", "inputs": {"name": name}} for name in names]}


def _removed(client: docker.DockerClient, record: dict[str, Any], *, locked: bool = False) -> list[str]:
    """Remove images as at the end of a deployment that did not change the Pulumi state; return the printed lines.

    Args:
        record: Pulumi state before and after the deployment.
    """
    said: list[str] = []
    remove_former_images(
        client, cast(StackOperations, _Deployment(locked, Settings(stack=STACK))), record, record, said.append
    )
    return said


def test_image_that_is_no_longer_in_the_state_after_a_failed_deployment_is_removed(
    client: docker.DockerClient, images: list[str]
) -> None:
    """After a deployment with unhealthy services, the Pulumi state has only the new image; the old one must go too."""
    new, old = images
    assert _removed(client, _record(new)) == [f"removed image {old}, which no service uses any more"]
    assert images_in(client, build_context.repositories(STACK)) == {new}
    assert _removed(client, _record(new)) == []


def test_images_are_kept_while_another_deployment_is_running(client: docker.DockerClient, images: list[str]) -> None:
    recorded, building = images
    assert _removed(client, _record(recorded), locked=True) == []
    assert images_in(client, build_context.repositories(STACK)) == {recorded, building}


def test_tag_that_no_container_uses_is_removed_from_an_image_in_use(
    client: docker.DockerClient, images: list[str]
) -> None:
    """If the digest of a base image is pinned, the built image gets a new tag, even if its content is the same."""
    new, old = images[0], f"{IMAGES}/{STACK}-pipeline:{secrets.token_hex(8)}"
    assert client.images.get(new).tag(old)
    container = client.containers.create(new, ["nothing"], labels={"fds.stack": STACK})
    try:
        assert f"removed image {old}, which no service uses any more" in _removed(client, _record(new))
        assert client.images.get(new).tags == [new]
    finally:
        container.remove()

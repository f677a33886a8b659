"""Test that images built for a stack are removed if no container of any stack uses them."""

from __future__ import annotations

import io
import secrets
import tarfile
from collections.abc import Iterator

import docker
import pytest
from docker.errors import ImageNotFound

from stack_runtime.docker_host import IMAGES, local_docker, remove_unused_images


@pytest.fixture
def client() -> Iterator[docker.DockerClient]:
    found = local_docker()
    yield found
    found.close()


@pytest.fixture
def images(client: docker.DockerClient) -> Iterator[list[str]]:
    """Yield the names of two new images, named like those of a deployment."""
    made = [f"{IMAGES}/unused-test:{secrets.token_hex(8)}" for _ in range(2)]
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


def test_only_the_image_that_no_container_uses_is_removed(client: docker.DockerClient, images: list[str]) -> None:
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


def test_image_that_is_not_named_is_kept(client: docker.DockerClient, images: list[str]) -> None:
    assert remove_unused_images(client, images[:1]) == images[:1]
    assert client.images.get(images[1])


def test_image_of_another_stack_loses_only_the_name_of_this_one(client: docker.DockerClient, images: list[str]) -> None:
    """Two stacks build the same: one image with two names, which the other stack's container uses."""
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

"""Layers of our images that outlive the tests' stacks, whose end removes the images: else each builds all anew."""

from __future__ import annotations

from contextlib import suppress

from docker import DockerClient
from docker.errors import ImageNotFound

from stack_runtime.docker_host import IMAGES

KEPT = "fds-kit"
"""The repository of images that nothing runs: they only keep layers for the next build."""


def keep(client: DockerClient) -> None:
    """Keep the layers of every image that a stack of this machine has built, in place of those kept before."""
    for image in client.api.images(filters={"reference": f"{IMAGES}/*"}):
        for tag in image["RepoTags"]:
            with suppress(ImageNotFound):  # another stack that ends meanwhile takes its images with it
                client.api.tag(tag, f"{KEPT}/{tag.partition(':')[0].rpartition('-')[2]}", "layers")

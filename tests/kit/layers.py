"""Keep image layers after a test removed its stack and images, so that the next build can reuse them."""

from __future__ import annotations

from contextlib import suppress

from docker import DockerClient
from docker.errors import ImageNotFound

from stack_runtime.docker_host import IMAGES

KEPT = "fds-kit"
"""Repository of images that no container runs; they only keep layers for the next build."""


def keep(client: DockerClient) -> None:
    """Keep the layers of every image that a local stack has built, instead of those kept before."""
    for image in client.api.images(filters={"reference": f"{IMAGES}/*"}):
        for tag in image["RepoTags"]:
            with suppress(ImageNotFound):  # another stack may remove its images at the same time
                client.api.tag(tag, f"{KEPT}/{tag.partition(':')[0].rpartition('-')[2]}", "layers")

"""Keep image layers after a test has removed a stack with its images, so that the next build can reuse the layers."""

from __future__ import annotations

from contextlib import suppress

from docker import DockerClient
from docker.errors import ImageNotFound

from stack_runtime.paths import IMAGES

KEPT = "fds-kit"
"""First part of the names of images that only keep layers for the next build; no container uses these images."""


def keep(client: DockerClient) -> None:
    """Keep the layers of one built image of each service, by a second tag that replaces the tag of an earlier call."""
    for image in client.api.images(filters={"reference": f"{IMAGES}/*"}):
        for tag in image["RepoTags"]:
            with suppress(ImageNotFound):  # another stack may remove its images at the same time
                client.api.tag(tag, f"{KEPT}/{tag.partition(':')[0].rpartition('-')[2]}", "layers")

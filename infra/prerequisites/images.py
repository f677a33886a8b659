"""Prepare the images that the services start from: pull them, or build stand-ins if Docker Hub cannot be reached."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from docker import DockerClient
from docker.errors import DockerException, ImageNotFound

from infra.prerequisites import offline
from infra.prerequisites.prerequisite import Installation
from stack_runtime.docker_host import local_docker
from stack_runtime.docker_problems import hub_refuses, not_pulled, pull
from stack_runtime.text import Say

PROBE = "hello-world:latest"
"""Image whose digest setup requests to find out whether the daemon reaches Docker Hub. The registry mirror that
`fds-offline` sets up never has this image, so only Docker Hub can answer."""


@dataclass(frozen=True)
class Image:
    """One image. A stand-in, which was built in place of the official image, counts as missing if it is outdated."""

    reference: str

    @property
    def name(self) -> str:
        return f"image {self.reference}"

    def find(self) -> Installation | None:
        client, replacement = local_docker(), offline.find()
        try:
            client.images.get(self.reference)
        except ImageNotFound:
            return None
        if replacement is None or not replacement.is_stand_in(client, self.reference):
            return self._found(client, "on this machine")
        return self._found(client, "stand-in") if replacement.is_current(client, self.reference) else None

    def get(self, say: Say) -> Installation:
        client = local_docker()
        if _hub_answers():
            say("pulling")
            pull(client, self.reference)
            return self._found(client, "pulled")
        how = offline.require(f"the image {self.reference}").provide_image(client, self.reference, say)
        return self._found(client, f"stand-in, {how}")

    def _found(self, client: DockerClient, source: str) -> Installation:
        return Installation(str(client.images.get(self.reference).short_id).removeprefix("sha256:"), source)


@cache
def _hub_answers() -> bool:
    """Return whether the daemon reaches Docker Hub, by asking for `PROBE`.

    Raises:
        UnreachableError: Docker Hub answers and refuses, so stand-ins must not take the place of its images.
    """
    try:
        local_docker().images.get_registry_data(PROBE)
    except DockerException as error:
        if hub_refuses(error):
            raise not_pulled("the images", error) from None
        return False
    return True

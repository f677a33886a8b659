"""Prepare the images that the services start from: pull them, or build them where no hub answers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from docker import DockerClient
from docker.errors import APIError, ImageNotFound, NotFound

from infra.prerequisites import offline
from infra.prerequisites.prerequisite import Installation, Say
from stack_runtime.docker_host import local_docker


@dataclass(frozen=True)
class Image:
    """One image under its usual name. An outdated stand-in counts as missing."""

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
            try:
                client.images.pull(self.reference)
                return self._found(client, "pulled")
            except (APIError, NotFound) as error:
                say(f"not pulled: {error.explanation}")
        how = offline.require(f"the image {self.reference}").provide_image(client, self.reference, say)
        return self._found(client, f"stand-in, {how}")

    def _found(self, client: DockerClient, source: str) -> Installation:
        return Installation(str(client.images.get(self.reference).short_id).removeprefix("sha256:"), source)


@cache
def _hub_answers() -> bool:
    """Return whether the daemon reaches the hub: ask for an image that a mirror of ours never holds."""
    try:
        local_docker().images.get_registry_data("hello-world:latest")
    except APIError:
        return False
    return True

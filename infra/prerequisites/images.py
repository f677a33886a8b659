"""Images: pulled, else built here; and the registry that hands those built here to the daemon and to test servers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import docker
from docker.errors import DockerException

from infra.offline import images, registry
from infra.prerequisites.prerequisite import Installation, Say
from stack_runtime.docker_host import local_docker
from stack_runtime.docker_problems import hub_refuses, not_pulled, pull
from stack_runtime.errors import UnreachableError

PROBE = "hello-world:latest"
"""An image of the hub that a mirror of ours never holds."""


@dataclass(frozen=True)
class Image:
    """One image under its usual name. An older stand-in counts as missing."""

    reference: str

    @property
    def name(self) -> str:
        return f"image {self.reference}"

    def find(self) -> Installation | None:
        client = local_docker()
        if not images.is_current(client, self.reference):
            return None
        return self._found(client, "stand-in" if images.is_stand_in(client, self.reference) else "on this machine")

    def get(self, say: Say) -> Installation:
        client = local_docker()
        if _hub_answers():
            say("pulling")
            pull(client, self.reference)
            return self._found(client, "pulled")
        images.leftovers()
        return self._found(client, f"stand-in, {images.provide(client, self.reference, say)}")

    def _found(self, client: docker.DockerClient, source: str) -> Installation:
        return Installation(str(client.images.get(self.reference).short_id).removeprefix("sha256:"), source)


@cache
def _hub_answers() -> bool:
    """Return whether the daemon reaches the hub, by asking for `PROBE`.

    Raises:
        UnreachableError: the hub answers and refuses, so stand-ins must not take the place of its images.
    """
    try:
        local_docker().images.get_registry_data(PROBE)
    except DockerException as error:
        if hub_refuses(error):
            raise not_pulled("the images", error) from None
        return False
    return True


@dataclass(frozen=True)
class Mirror:
    """The registry of this machine; needed only where images are stand-ins."""

    references: tuple[str, ...]
    name: str = "image mirror"

    def find(self) -> Installation | None:
        client = local_docker()
        stand_ins = self._stand_ins(client)
        if not stand_ins:
            return Installation("", "not needed")
        where = registry.address()
        if where is None or not all(images.is_stored(reference) for reference in stand_ins):
            return None
        return self._found(client, where) if registry.is_hub(client, where) or not registry.may_configure() else None

    def get(self, say: Say) -> Installation:
        client = local_docker()
        missing = [reference for reference in self._stand_ins(client) if not images.is_stored(reference)]
        try:
            if missing:
                with registry.writer() as where:
                    for reference in missing:
                        say(f"storing {reference}")
                        images.store(client, reference, where)
            where = registry.serve(client)
        except UnreachableError as error:
            # the daemon has the images; only test servers would miss the registry
            return Installation("", f"not used: {error.what}")
        registry.play_hub(client, where)
        return self._found(client, where)

    def _found(self, client: docker.DockerClient, where: str) -> Installation:
        played = "plays the hub" if registry.is_hub(client, where) else "not used by this daemon, which has the images"
        return Installation(f"{len(self._stand_ins(client))} images", played, where)

    def _stand_ins(self, client: docker.DockerClient) -> list[str]:
        return [reference for reference in self.references if images.is_stand_in(client, reference)]

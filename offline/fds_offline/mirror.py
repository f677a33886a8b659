"""Define the prerequisite `image mirror`: a registry of stand-in images for the daemon and for the tests' servers."""

from __future__ import annotations

from dataclasses import dataclass

import docker

from fds_offline import images, registry
from infra.prerequisites.prerequisite import Installation
from stack_runtime.docker_host import local_docker
from stack_runtime.errors import UnreachableError
from stack_runtime.text import Say


@dataclass(frozen=True)
class Mirror:
    """The image registry of this machine, which is needed only if the daemon has such images."""

    references: tuple[str, ...]
    """Images that may be stand-ins."""
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
            # This is no error: the daemon already has the images, and only servers that tests boot need the registry.
            return Installation("", f"not used: {error.what}")
        registry.use_as_mirror(client, where)
        return self._found(client, where)

    def _found(self, client: docker.DockerClient, where: str) -> Installation:
        use = (
            "used before the hub" if registry.is_hub(client, where) else "not used by this daemon, which has the images"
        )
        return Installation(f"{len(self._stand_ins(client))} images", use, where)

    def _stand_ins(self, client: docker.DockerClient) -> list[str]:
        return [reference for reference in self.references if images.is_stand_in(client, reference)]

"""Define the entry point of this package, which `fds setup` loads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from docker import DockerClient

from fds_offline import engine_build, images
from fds_offline.mirror import Mirror
from fds_offline.plugins import MODULES
from infra.prerequisites.offline import Offline
from infra.prerequisites.prerequisite import Prerequisite
from stack_runtime.text import Say


class Replacements(Offline):
    """Build the Pulumi engine, and provide stand-ins for images and plugins, on machines that cannot download them."""

    plugins: Mapping[str, str] = MODULES

    def build_engine(self, target: Path, version: str, say: Say) -> None:
        engine_build.build(target, version, say)

    def is_stand_in(self, client: DockerClient, reference: str) -> bool:
        return images.is_stand_in(client, reference)

    def is_current(self, client: DockerClient, reference: str) -> bool:
        return images.is_current(client, reference)

    def provide_image(self, client: DockerClient, reference: str, say: Say) -> str:
        images.remove_leftovers()
        return images.provide(client, reference, say)

    def prerequisites(self, references: Sequence[str]) -> list[Prerequisite]:
        return [Mirror(tuple({**dict.fromkeys(references), **dict.fromkeys(images.RECIPES)}))]

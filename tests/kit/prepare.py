"""Prepare Docker for the tests: remove what killed test runs left, and get the images that tests deploy.

Run it with `python -m tests.kit.prepare`. `fds setup` gets only images of the profiles in the stack file. Images of the
profiles in `NEVER_DEPLOYED` are left out.
"""

from __future__ import annotations

import sys

from infra.build_context import pulled_images
from infra.prerequisites import Installation, Prerequisite, Say, offline, prepare
from infra.prerequisites.images import Image
from infra.services import catalogue
from stack_runtime.docker_host import local_docker
from tests.kit import leftovers

NEVER_DEPLOYED = ("bi", "grafana")
"""Profiles that no test deploys, because their images can only be pulled from Docker Hub, not built here."""


def main() -> None:
    """Remove leftovers, get the missing images, and print the source of each image."""
    leftovers.remove(local_docker())
    references = pulled_images(service for service in catalogue() if service.profile not in NEVER_DEPLOYED)
    replacement = offline.find()
    wanted: list[Prerequisite] = [Image(reference) for reference in references]
    wanted += replacement.prerequisites(references) if replacement else []
    prepare(wanted, _begin, _end)


def _begin(prerequisite: Prerequisite) -> Say:
    return lambda text: print(f"{prerequisite.name}: {text}", file=sys.stderr)


def _end(prerequisite: Prerequisite, installation: Installation) -> None:
    print(f"{prerequisite.name}: {installation.source}")


if __name__ == "__main__":
    main()

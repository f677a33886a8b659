"""Read from the Dockerfiles what goes into the images of the services, and derive their names and tags."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from docker.utils.build import exclude_paths

from infra.services import Build, Service, catalogue
from stack_runtime.paths import IMAGES
from stack_runtime.source_tree import source_tree

ROOT = source_tree()
"""The build context of every image."""


def reference(stack: str, service: Service) -> str:
    """Return name and tag of the image on the host; the tag of a built image is a digest of what goes into it.

    Each stack has names of its own, so that removing them takes no image from another stack.
    """
    if isinstance(service.image, str):
        return service.image
    return f"{_repository(stack, service)}:{content_digest(service.image)}"


def repositories(stack: str) -> list[str]:
    """Return the names, without a tag, of all images that a deployment of the stack can build."""
    return [_repository(stack, service) for service in catalogue() if isinstance(service.image, Build)]


def _repository(stack: str, service: Service) -> str:
    return f"{IMAGES}/{stack}-{service.name}"


def pulled_images(services: Iterable[Service]) -> list[str]:
    """Return the images that are pulled for these services: their own, and those that their Dockerfiles start from."""
    found: set[str] = set()
    for service in services:
        found |= {service.image} if isinstance(service.image, str) else base_images(service.image)
    return sorted(found)


def base_images(build: Build) -> set[str]:
    """Return the images that a Dockerfile starts from, without its own earlier stages."""
    recipe = (ROOT / build.dockerfile).read_text()
    lines = [line.split() for line in recipe.splitlines() if line.startswith("FROM ")]
    return {words[1] for words in lines} - {words[3] for words in lines if len(words) > 3}


def content_digest(build: Build) -> str:
    """Return 16 characters that change if, and only if, the Dockerfile or a file that it copies changes."""
    ignore = (ROOT / ".dockerignore").read_text().splitlines()
    patterns = [line.strip() for line in ignore if line.strip() and not line.startswith("#")]
    copied = _copied((ROOT / build.dockerfile).read_text())
    digest = hashlib.sha256()
    for name in sorted({build.dockerfile, *exclude_paths(str(ROOT), patterns, dockerfile=build.dockerfile)}):
        path = ROOT / name
        if path.is_file() and (name == build.dockerfile or any(path.is_relative_to(part) for part in copied)):
            mode = "x" if path.stat().st_mode & 0o100 else "-"
            digest.update(f"\0{name}\0{mode}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _copied(dockerfile: str) -> list[Path]:
    """Return what a Dockerfile copies from the context: the sources of its COPY lines."""
    lines = dockerfile.replace("\\\n", " ").splitlines()
    words = [line.split()[1:-1] for line in lines if line.startswith("COPY ") and "--from" not in line]
    return [ROOT / word for line in words for word in line if not word.startswith("--")]

"""Read from the Dockerfiles what goes into the images of the services, and derive their names and tags."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from docker.utils.build import exclude_paths

from infra.services import Build, Service, catalogue
from stack_runtime.content import FOLDERS, content_dir
from stack_runtime.paths import IMAGES
from stack_runtime.source_tree import copied_tree, files_below, source_files, source_tree


def context_dir() -> Path:
    """Return the build context of every image: the sources, with the project's content in place of the demo."""
    sources, content = source_tree(), content_dir()
    if content == sources / "data_stack":
        return sources
    demo = tuple(f"data_stack/{name}/" for name in FOLDERS)
    files = [(name, path) for name, path in source_files() if not name.startswith(demo)]
    for name in filter(lambda name: (content / name).is_dir(), FOLDERS):
        files += files_below(content / name, f"data_stack/{name}")
    context = copied_tree("contexts", content, files)
    for name in FOLDERS:  # the Dockerfiles copy also those that the project does not have
        (context / "data_stack" / name).mkdir(exist_ok=True)
    return context


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
    recipe = (source_tree() / build.dockerfile).read_text()
    lines = [line.split() for line in recipe.splitlines() if line.startswith("FROM ")]
    return {words[1] for words in lines} - {words[3] for words in lines if len(words) > 3}


def content_digest(build: Build) -> str:
    """Return 16 characters that change if, and only if, the Dockerfile or a file that it copies changes."""
    root = context_dir()
    ignore = (root / ".dockerignore").read_text().splitlines()
    patterns = [line.strip() for line in ignore if line.strip() and not line.startswith("#")]
    copied = [root / name for name in _copied((root / build.dockerfile).read_text())]
    digest = hashlib.sha256()
    for name in sorted({build.dockerfile, *exclude_paths(str(root), patterns, dockerfile=build.dockerfile)}):
        path = root / name
        if path.is_file() and (name == build.dockerfile or any(path.is_relative_to(part) for part in copied)):
            mode = "x" if path.stat().st_mode & 0o100 else "-"
            digest.update(f"\0{name}\0{mode}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _copied(dockerfile: str) -> list[str]:
    """Return what a Dockerfile copies from the context: the sources of its COPY lines."""
    lines = dockerfile.replace("\\\n", " ").splitlines()
    words = [line.split()[1:-1] for line in lines if line.startswith("COPY ") and "--from" not in line]
    return [word for line in words for word in line if not word.startswith("--")]

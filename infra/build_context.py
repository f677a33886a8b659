"""Read from the Dockerfiles which files go into the images, and derive the names and tags of the images."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from docker.utils.build import exclude_paths

from infra.image_lock import pinned
from infra.services import Build, Service, catalogue
from stack_runtime.content import FOLDERS, content_dir
from stack_runtime.paths import IMAGES
from stack_runtime.source_tree import copied_tree, files_below, source_files, source_tree


def context_dir() -> Path:
    """Return the one build context of all images: the sources, with the project's content instead of the demo's."""
    sources, content = source_tree(), content_dir()
    if content == sources / "data_stack":
        return sources
    demo = tuple(f"data_stack/{name}/" for name in FOLDERS)
    files = [(name, path) for name, path in source_files() if not name.startswith(demo)]
    for name in filter(lambda name: (content / name).is_dir(), FOLDERS):
        files += files_below(content / name, f"data_stack/{name}")
    context = copied_tree("contexts", content, files)
    for name in FOLDERS:  # the Dockerfiles copy each of these folders, but a project may lack some
        (context / "data_stack" / name).mkdir(parents=True, exist_ok=True)
    return context


def reference(stack: str, image: str | Build, lock: Mapping[str, str]) -> str:
    """Return the name and tag of the image on the host; the tag of a built image is its `content_digest`.

    The name of a built image contains the stack's name, so that one stack cannot remove the image of another stack.

    Args:
        lock: digests of pulled images (see `infra.image_lock`).
    """
    if isinstance(image, str):
        return pinned(image, lock)
    return f"{_repository(stack, image)}:{content_digest(image, lock)}"


def repositories(stack: str) -> list[str]:
    """Return the names, without a tag, of all images that a deployment of the stack can build."""
    builds = dict.fromkeys(service.image for service in catalogue() if isinstance(service.image, Build))
    return [_repository(stack, build) for build in builds]


def _repository(stack: str, build: Build) -> str:
    return f"{IMAGES}/{stack}-{build.name}"


def pulled_images(services: Iterable[Service]) -> list[str]:
    """Return the images to pull for these services: images without a Dockerfile, and base images of Dockerfiles."""
    found: set[str] = set()
    for service in services:
        found |= {service.image} if isinstance(service.image, str) else {*base_images(service.image).values()}
    return sorted(found)


def base_images(build: Build) -> dict[str, str]:
    """Return a Dockerfile's base images by build argument, from the lines `ARG NAME=IMAGE` before its first `FROM`."""
    head = re.split(r"^FROM ", (source_tree() / build.dockerfile).read_text(), maxsplit=1, flags=re.MULTILINE)[0]
    return dict(re.findall(r"^ARG (\w+)=(\S+)$", head, re.MULTILINE))


def build_arguments(build: Build, lock: Mapping[str, str]) -> dict[str, str]:
    """Return the build arguments that pin the base images; a base image without a locked digest gets no argument."""
    return {name: pinned(base, lock) for name, base in base_images(build).items() if base in lock}


def content_digest(build: Build, lock: Mapping[str, str]) -> str:
    """Return a digest (16 hexadecimal digits) of the Dockerfile, the files that it copies and its pinned base images.

    Args:
        lock: digests of pulled images (see `infra.image_lock`).
    """
    root = context_dir()
    ignore = (root / ".dockerignore").read_text().splitlines()
    patterns = [line.strip() for line in ignore if line.strip() and not line.startswith("#")]
    copied = [root / name for name in _copied((root / build.dockerfile).read_text())]
    arguments = sorted(build_arguments(build, lock).items())
    digest = hashlib.sha256("".join(f"\0{name}={image}" for name, image in arguments).encode())
    for name in sorted({build.dockerfile, *exclude_paths(str(root), patterns, dockerfile=build.dockerfile)}):
        path = root / name
        if path.is_file() and (name == build.dockerfile or any(path.is_relative_to(part) for part in copied)):
            mode = "x" if path.stat().st_mode & 0o100 else "-"
            digest.update(f"\0{name}\0{mode}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _copied(dockerfile: str) -> list[str]:
    """Return the sources of the Dockerfile's COPY lines, except those that copy from another build stage."""
    lines = dockerfile.replace("\\\n", " ").splitlines()
    words = [line.split()[1:-1] for line in lines if line.startswith("COPY ") and "--from" not in line]
    return [word for line in words for word in line if not word.startswith("--")]

"""Images of the services: pulled by name, or built on the target host and tagged by content."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

import pulumi
import pulumi_docker as docker
from docker.utils.build import exclude_paths

from infra.services import Build, Service
from stack_runtime.docker_host import IMAGES

ROOT = Path(__file__).resolve().parents[2]


def images_of(
    stack: str, services: Sequence[Service], options: pulumi.ResourceOptions
) -> dict[str, docker.RemoteImage]:
    """The image of each service on the host, by the service's name; `image_id` is what a container runs.

    What the recipes start from is pulled by the daemon, which knows its mirror, and the builder takes what is there.
    The engine removes none: a container may still run the former image. The deployment does it, once all is healthy.
    """
    bases = {each.name: _bases(each.image) for each in services if isinstance(each.image, Build)}
    named = {each.name: each.image for each in services if isinstance(each.image, str)}
    pulled = {
        name: docker.RemoteImage(re.sub("[:/]", "-", name), name=name, keep_locally=True, opts=options)
        for name in sorted({*named.values(), *(base for found in bases.values() for base in found)})
    }
    found = {name: pulled[image] for name, image in named.items()}
    built: dict[Build, docker.RemoteImage] = {}  # services may share one
    for service in services:
        if isinstance(service.image, Build):
            if service.image not in built:
                after = pulumi.ResourceOptions(depends_on=[pulled[base] for base in bases[service.name]])
                built[service.image] = _built(stack, service.image, pulumi.ResourceOptions.merge(options, after))
            found[service.name] = built[service.image]
    return found


def _built(stack: str, build: Build, options: pulumi.ResourceOptions) -> docker.RemoteImage:
    return docker.RemoteImage(
        f"{build.name}-image",
        name=reference(stack, build),
        build=docker.RemoteImageBuildArgs(
            context=str(ROOT),
            dockerfile=build.dockerfile,
            force_remove=True,  # the container of a step that failed, too
            use_legacy_builder=True,  # the other one, buildx, builds on this machine's daemon, whatever the host is
        ),
        keep_locally=True,
        opts=options,
    )


def reference(stack: str, image: str | Build) -> str:
    """Name and tag of the image on the host; of one that is built, the tag says what went into it.

    Each stack has names of its own, so that removing them takes no image from another stack.
    """
    if isinstance(image, str):
        return image
    return f"{IMAGES}/{stack}-{image.name}:{_content(image)}"


def _bases(build: Build) -> set[str]:
    """The images that a recipe starts from, without its own earlier stages."""
    recipe = (ROOT / build.dockerfile).read_text()
    lines = [line.split() for line in recipe.splitlines() if line.startswith("FROM ")]
    return {words[1] for words in lines} - {words[3] for words in lines if len(words) > 3}


def _content(build: Build) -> str:
    """A tag that changes when, and only when, the recipe or something that it copies does."""
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
    """What the recipe takes out of the context: the sources of its COPY lines."""
    lines = dockerfile.replace("\\\n", " ").splitlines()
    words = [line.split()[1:-1] for line in lines if line.startswith("COPY ") and "--from" not in line]
    return [ROOT / word for line in words for word in line if not word.startswith("--")]

"""Images of the services: pulled by name, or built on the target host and tagged by content."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pulumi
import pulumi_docker as docker
from docker.utils.build import exclude_paths

from infra.services import Build, Service
from stack_runtime.docker_host import IMAGES

ROOT = Path(__file__).resolve().parent.parent


def image_of(service: Service, options: pulumi.ResourceOptions) -> docker.RemoteImage:
    """The image of `service` on the host; `image_id` is what a container runs."""
    if isinstance(service.image, str):
        return docker.RemoteImage(service.image.replace(":", "-").replace("/", "-"), name=service.image,
                                  keep_locally=True, opts=options)  # fmt: skip
    return docker.RemoteImage(
        f"{service.name}-image",
        name=reference(service),
        build=docker.RemoteImageBuildArgs(
            context=str(ROOT),
            dockerfile=service.image.dockerfile,
            use_legacy_builder=True,  # the other one, buildx, builds on this machine's daemon, whatever the host is
        ),
        keep_locally=False,
        opts=options,
    )


def reference(service: Service) -> str:
    """Name and tag of the image on the host; of one that is built, the tag says what went into it."""
    if isinstance(service.image, str):
        return service.image
    return f"{IMAGES}/{service.name}:{_content(service.image)}"


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

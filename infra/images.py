"""Images of the services: pulled by name, or built on the target host and tagged by content."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pulumi
import pulumi_docker as docker
from docker.utils.build import exclude_paths

from infra.services import Build, Service

ROOT = Path(__file__).resolve().parent.parent


def image_of(service: Service, options: pulumi.ResourceOptions) -> docker.RemoteImage:
    """The image of `service` on the host; `image_id` is what a container runs."""
    if isinstance(service.image, str):
        return docker.RemoteImage(service.image.replace(":", "-").replace("/", "-"), name=service.image,
                                  keep_locally=True, opts=options)  # fmt: skip
    return docker.RemoteImage(
        f"{service.name}-image",
        name=f"fds/{service.name}:{_content(service.image)}",
        build=docker.RemoteImageBuildArgs(context=str(ROOT), dockerfile=service.image.dockerfile),
        keep_locally=False,
        opts=options,
    )


def _content(build: Build) -> str:
    """A tag that changes when, and only when, something that may go into the image does."""
    ignore = (ROOT / ".dockerignore").read_text().splitlines()
    patterns = [line.strip() for line in ignore if line.strip() and not line.startswith("#")]
    digest = hashlib.sha256(build.dockerfile.encode())
    for name in sorted(exclude_paths(str(ROOT), patterns, dockerfile=build.dockerfile)):
        path = ROOT / name
        if path.is_file():
            mode = "x" if path.stat().st_mode & 0o100 else "-"
            digest.update(f"\0{name}\0{mode}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]

"""Register the images of the services: some are pulled, others are built on the target host and tagged by content."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import pulumi
import pulumi_docker as docker

from infra import build_context
from infra.image_lock import pinned
from infra.services import Build, Service


def images_of(
    stack: str, services: Sequence[Service], lock: Mapping[str, str], options: pulumi.ResourceOptions
) -> dict[str, docker.RemoteImage]:
    """Register the image of each service, and return the images by service name. Containers use their `image_id`.

    The daemon pulls the base images of the Dockerfiles first, because only a pull by the daemon uses its registry
    mirror; the builder then uses the pulled images. The engine does not remove images, because a container may still
    run the previous image. `fds up` removes unused images when all services are healthy.

    Args:
        lock: digests by image (see `infra.image_lock`); an image without a digest is pulled by its tag.
    """
    pulled = {
        reference: docker.RemoteImage(
            f"{stack}-{re.sub('[:/@]', '-', reference)}",
            name=pinned(reference, lock),
            keep_locally=True,
            opts=options,
        )
        for reference in build_context.pulled_images(services)
    }
    found: dict[str, docker.RemoteImage] = {}
    built: dict[Build, docker.RemoteImage] = {}  # several services may share one image
    for service in services:
        if isinstance(service.image, Build):
            if service.image not in built:
                bases = [pulled[base] for base in sorted({*build_context.base_images(service.image).values()})]
                after = pulumi.ResourceOptions.merge(options, pulumi.ResourceOptions(depends_on=bases))
                built[service.image] = _built(stack, service.image, lock, after)
            found[service.name] = built[service.image]
        else:
            found[service.name] = pulled[service.image]
    return found


def _built(stack: str, build: Build, lock: Mapping[str, str], options: pulumi.ResourceOptions) -> docker.RemoteImage:
    return docker.RemoteImage(
        f"{stack}-{build.name}-image",
        name=build_context.reference(stack, build, lock),
        build=docker.RemoteImageBuildArgs(
            context=str(build_context.context_dir()),
            dockerfile=build.dockerfile,
            build_args=build_context.build_arguments(build, lock) or None,
            force_remove=True,  # also removes the container of a failed build step
            use_legacy_builder=True,  # the newer builder, buildx, always builds on this machine's daemon
        ),
        keep_locally=True,
        opts=options,
    )

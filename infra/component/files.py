"""Deliver files with configuration and secrets to the containers, without using environment variables, arguments or
image layers.

The daemon refuses to copy a file into a container whose root is read-only, even onto a volume. So one container
that is never started, the file uploader, mounts the files volume of every service, and the files are copied through it.
"""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
import pulumi_docker as docker

from infra.component.containers import files_volume
from infra.services import Context, File, Service
from infra.settings import Settings
from stack_runtime import labels


def file_uploader(
    settings: Settings,
    services: tuple[Service, ...],
    secrets: pulumi.Output[Mapping[str, str]],
    volumes: Mapping[str, docker.Volume],
    image_id: pulumi.Output[str],
    options: pulumi.ResourceOptions,
) -> docker.Container:
    """Register the file uploader. When it is created, every file is copied into the files volume of its service."""
    with_files = [service for service in services if service.files]
    return docker.Container(
        f"{settings.stack}-files",
        image=image_id,
        command=["never-started"],
        start=False,
        must_run=False,
        restart="no",
        read_only=False,
        memory=16,
        memory_swap=16,
        cpus="0.1",
        network_mode="none",
        log_driver="json-file",
        log_opts={"max-size": "1m", "max-file": "1"},
        capabilities=docker.ContainerCapabilitiesArgs(drops=["ALL"]),
        labels=[
            docker.ContainerLabelArgs(label=key, value=value)
            for key, value in sorted(labels.of_service(settings.stack, "files").items())
        ],
        volumes=[
            docker.ContainerVolumeArgs(volume_name=volumes[files_volume(service)].name, container_path=_at(service))
            for service in with_files
        ],
        uploads=[
            _upload(service, file, settings, services, secrets) for service in with_files for file in service.files
        ],
        # Create the new uploader before the old one is deleted. Otherwise the engine would replace everything that
        # depends on it.
        opts=pulumi.ResourceOptions.merge(options, pulumi.ResourceOptions(delete_before_replace=False)),
    )


def _at(service: Service) -> str:
    return f"/files/{service.name}"


def _upload(
    service: Service,
    file: File,
    settings: Settings,
    services: tuple[Service, ...],
    secrets: pulumi.Output[Mapping[str, str]],
) -> docker.ContainerUploadArgs:
    content = secrets.apply(lambda found: file.content(Context(settings, found, services)))
    return docker.ContainerUploadArgs(
        file=f"{_at(service)}/{file.name}",
        content=pulumi.Output.secret(content),
        # Every user may read the file, because old versions of the Docker provider set no owner. No other service
        # mounts this volume.
        permissions="0444",
    )

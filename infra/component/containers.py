"""Register the containers of a service with their limits, hardening, health check, networks and volumes.

The same code serves all services: none is a special case.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pulumi
import pulumi_docker as docker

from infra.component.networks import attachments
from infra.services import Context, Service, Volume, address_of, catalogue
from infra.settings import Settings
from stack_runtime import labels

WAIT_S = 300
"""Seconds that a container may take to become healthy before the deployment fails. If the start period of its health
check is longer than this, the start period is the limit."""
TMPFS_OPTIONS = "rw,nosuid,nodev,size=256m,mode=1777"
SECURITY_OPTIONS = ["no-new-privileges:true"]
LOG_DRIVER = "json-file"
LOG_OPTIONS = {"max-size": "10m", "max-file": "3"}


@dataclass(frozen=True)
class ContainerContext:
    """What the containers of one stack share, such as settings, secrets, networks, volumes and images."""

    settings: Settings
    services: tuple[Service, ...]
    secrets: pulumi.Output[Mapping[str, str]]
    networks: dict[str, docker.Network]
    volumes: Mapping[str, docker.Volume]
    file_uploader: docker.Container
    image_ids: Mapping[str, pulumi.Output[str]]


def container(
    service: Service, replica: int, context: ContainerContext, options: pulumi.ResourceOptions
) -> docker.Container:
    """Register one replica of `service`; the engine waits until the health check of the container passes."""
    settings, own = context.settings, service.resources
    processes = processes_of(service, context.services)
    return docker.Container(
        labels.container_name(settings.stack, service.name, replica),
        image=context.image_ids[service.name],
        entrypoints=list(service.entrypoint) or None,
        command=list(service.command) or None,
        envs=[f"{key}={value}" for key, value in sorted(service.environment(settings).items())],
        user=service.user,
        labels=_labels(service, context),
        memory=own.memory_limit_mb,
        memory_swap=own.memory_limit_mb,
        memory_reservation=own.memory_mb,
        cpus=cores(own.cpu_limit),
        shm_size=service.shm_mb or None,
        ulimits=[docker.ContainerUlimitArgs(name="nproc", soft=processes, hard=processes)],
        capabilities=docker.ContainerCapabilitiesArgs(drops=["ALL"]),
        security_opts=SECURITY_OPTIONS,
        read_only=True,
        tmpfs=dict.fromkeys(service.tmpfs, TMPFS_OPTIONS) or None,
        network_mode="bridge",
        networks_advanced=attachments(service, context.networks),
        ports=_ports(service, settings),
        volumes=_volumes(service, context),
        healthcheck=_health(service),
        wait=True,
        wait_timeout=max(WAIT_S, service.health.start_period_s),
        restart="unless-stopped",
        log_driver=LOG_DRIVER,
        log_opts=LOG_OPTIONS,
        stop_timeout=service.grace_s,  # for `docker stop`, and for a restart of Docker or the machine
        destroy_grace_seconds=service.grace_s,  # for a removal of the container by the engine
        opts=pulumi.ResourceOptions.merge(options, _replacing(service, context)),
    )


def processes_of(service: Service, others: Iterable[Service] = ()) -> int:
    """Return the limit of processes and threads for all containers that run as the user of `service`.

    The provider has no input for Docker's process limit of a container, so the result is set as the limit `nproc`,
    which counts all processes of one user id. The result is the sum of the limits of all services with this user,
    including services of the catalogue that are not selected: otherwise, selecting another profile would change the
    limit and replace running containers.

    Args:
        others: the other services of the stack, including those outside the catalogue.
    """
    own = service.user.partition(":")[0]
    every = {each.name: each for each in (*catalogue(), *others, service)}.values()
    return sum(each.resources.processes for each in every if each.user.partition(":")[0] == own)


def _replacing(service: Service, context: ContainerContext) -> pulumi.ResourceOptions:
    """Return the options for the replacement of the container, and for the resources that must exist before it."""
    return pulumi.ResourceOptions(
        delete_before_replace=not service.stateless or service.published is not None,
        # Create the container after the uploader of the files, because the first process of the service reads them.
        depends_on=[context.file_uploader] if service.files else [],
        # Replace the container when these inputs change, because the provider would only record the change, not
        # apply it to the running container.
        replace_on_changes=["healthcheck", "tmpfs"],
    )


def _labels(service: Service, context: ContainerContext) -> list[docker.ContainerLabelArgs]:
    """Return the labels of the container. If the service has files, one of the labels is a digest of the files.

    When the digest changes, the engine replaces the container.
    """
    found = {**labels.of_service(context.settings.stack, service.name), **service.labels}
    if service.route:
        found[labels.URL_LABEL] = url_of(service, context.settings)
    entries = [docker.ContainerLabelArgs(label=key, value=value) for key, value in sorted(found.items())]
    if service.files:
        entries.append(docker.ContainerLabelArgs(label=labels.FILES_LABEL, value=_fingerprint(service, context)))
    return entries


def url_of(service: Service, settings: Settings) -> str:
    """Return the URL at which a person opens the service; empty when the service has no route."""
    return address_of(service.route.host, settings) if service.route else ""


def _fingerprint(service: Service, context: ContainerContext) -> pulumi.Output[str]:
    def digest(secrets: Mapping[str, str]) -> str:
        found = Context(context.settings, secrets, context.services)
        text = "\0".join(f"{file.name}\0{file.content(found)}" for file in service.files)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    return pulumi.Output.unsecret(context.secrets.apply(digest))


def _ports(service: Service, settings: Settings) -> list[docker.ContainerPortArgs] | None:
    return [
        docker.ContainerPortArgs(internal=inside, external=outside, ip=address)
        for address, outside, inside in service.ports(settings)
    ] or None


def _volumes(service: Service, context: ContainerContext) -> list[docker.ContainerVolumeArgs]:
    mounted = [
        docker.ContainerVolumeArgs(
            volume_name=context.volumes[volume.name].name, container_path=volume.path, read_only=volume.read_only
        )
        for volume in service.volumes
    ]
    if service.files:
        name = context.volumes[files_volume(service)].name
        mounted.append(docker.ContainerVolumeArgs(volume_name=name, container_path="/run/fds", read_only=True))
    return mounted


def files_volume(service: Service) -> str:
    """Return the name of the small volume that holds the service's files."""
    return f"{service.name}-files"


def volumes_of(services: tuple[Service, ...]) -> dict[str, Volume]:
    """Return every volume of these services by name; a volume that several services mount appears once."""
    found = {volume.name: volume for service in services for volume in service.volumes}
    return found | {
        files_volume(service): Volume(files_volume(service), "/run/fds", data=False)
        for service in services
        if service.files
    }


def _health(service: Service) -> docker.ContainerHealthcheckArgs:
    health = service.health
    return docker.ContainerHealthcheckArgs(
        tests=["CMD", *health.command],
        interval=duration(health.interval_s),
        timeout=duration(health.timeout_s),
        retries=health.retries,
        start_period=duration(health.start_period_s),
    )


def duration(seconds: int) -> str:
    """Return a duration as Go writes it, such as `1m30s`.

    The provider reads durations back in this form. In any other form, such as `90s`, they would seem changed, and each
    deployment would replace the container.
    """
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return (f"{hours}h" if hours else "") + (f"{minutes}m" if hours or minutes else "") + f"{rest}s"


def cores(limit: float) -> str:
    """Return a CPU limit as the provider writes it when it reads the container back, for the same reason.

    The provider writes nine decimals and removes zeros at the end. But if the text has exactly nine zeros, it writes
    one decimal instead. For example, 1 is `1.0`, 10 is `10.`, and 10.05 is `10.1`.

    Args:
        limit: number of cores, at least 0.1, because the provider would round a lower limit to 0.1 or to no limit.
    """
    text = f"{limit:.9f}"
    return f"{limit:.1f}" if text.count("0") == 9 else text.rstrip("0")

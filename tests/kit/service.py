"""Run services of the catalogue without Pulumi, in containers like those of `infra.component.containers`."""

from __future__ import annotations

import io
import secrets
import tarfile
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
from docker.models.containers import Container
from docker.models.networks import Network

from infra.component import generated_secrets
from infra.component.containers import SECURITY_OPTIONS, TMPFS_OPTIONS, processes_of
from infra.prerequisites.images import Image
from infra.services import Build, Context, Service, selected
from infra.settings import Settings
from stack_runtime import labels
from stack_runtime.docker_host import local_docker
from tests.kit import layers
from tests.kit.leftovers import LABELS
from tests.kit.project import ROOT

SECOND = 10**9


@dataclass
class Running:
    """A service in a container, with its secrets and the Docker objects that were created for it."""

    client: docker.DockerClient
    service: Service
    context: Context
    network: Network
    volumes: Mapping[str, str]
    container: Container

    @property
    def address(self) -> str:
        """Return the container's address on its network."""
        self.container.reload()
        return str(self.container.attrs["NetworkSettings"]["Networks"][self.network.name]["IPAddress"])

    def deliver(self, changed: Mapping[str, str] | None = None) -> None:
        """Copy the files of the service into its volume.

        Args:
            changed: content that replaces the declared content of a file, by the name of the file.
        """
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            for file in self.service.files:
                content = {file.name: file.content(self.context), **(changed or {})}[file.name].encode()
                entry = tarfile.TarInfo(file.name)
                entry.size, entry.mode = len(content), 0o444
                tar.addfile(entry, io.BytesIO(content))
        file_uploader = self.client.containers.create(
            self.container.image.id, volumes={self.volumes["files"]: {"bind": "/files"}}, labels=LABELS
        )
        file_uploader.put_archive("/files", archive.getvalue())
        file_uploader.remove(v=True)

    def checks(self) -> int:
        """Run the health check and return its exit code."""
        return int(self.container.exec_run(list(self.service.health.command)).exit_code)

    def becomes_healthy(self, seconds: float = 90) -> bool:
        """Wait until Docker reports the container as healthy; return False if it exits first, or after `seconds`."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.container.reload()
            state = self.container.attrs["State"]
            if state["Status"] == "exited":
                return False
            if state.get("Health", {}).get("Status") == "healthy":
                return True
            time.sleep(0.2)
        return False

    def logs(self) -> str:
        return str(self.container.logs().decode(errors="replace"))


@contextmanager
def together(
    values: Mapping[str, object],
    *,
    without: Collection[str] = (),
    context: Path = ROOT,
    disk: Path | None = None,
) -> Iterator[dict[str, Running]]:
    """Create the selected services on one network, with shared volumes, but do not start them; remove all at the end.

    Args:
        values: settings of the stack, which select the services.
        without: names of services to leave out.
        context: build context of our own images.
        disk: folder for the content of all volumes; by default, Docker stores the volumes.
    """
    own = f"t-services-{secrets.token_hex(4)}"
    settings = Settings.of(own, values)
    services = [service for service in selected(settings) if service.name not in without]
    values_of_files = _values_of_files(settings, services)
    client = local_docker(timeout=900)  # long enough for the first test, which may have to build an image
    network = client.networks.create(own, labels=LABELS)
    found: dict[str, Running] = {}
    volumes: set[str] = set()
    try:
        images = {image: image_of(client, image, context) for image in {service.image for service in services}}
        for service in services:
            mounted = {volume.name: f"{own}-{volume.name}" for volume in service.volumes}
            mounted["files"] = f"{own}-{service.name}-files"
            for volume in {*mounted.values()} - volumes:
                client.volumes.create(volume, labels=LABELS, driver_opts=_bound(disk, volume))
                volumes.add(volume)
            container = _container(
                client, service, images[service.image], settings, network, mounted, _ports(service, settings)
            )
            found[service.name] = Running(client, service, values_of_files, network, mounted, container)
            if service.files:
                found[service.name].deliver()
        yield found
    finally:
        for running in found.values():
            running.container.remove(force=True, v=True)
        network.remove()
        for volume in volumes:
            client.volumes.get(volume).remove()
        client.close()


def _values_of_files(settings: Settings, services: Iterable[Service]) -> Context:
    """Return the values for the files of services: generated secrets, and test values for what a user would enter."""
    values = {key: generated_secrets.value(key) for key in generated_secrets.names(settings)}
    values |= {key: f"http://asked/{key}" for service in services for key in service.asked(settings)}
    return Context(settings, values, selected(settings))


def _ports(service: Service, settings: Settings) -> dict[str, Any]:
    """Return the option of Docker's client for the published ports."""
    return {"ports": {f"{inside}/tcp": (address, outside) for address, outside, inside in service.ports(settings)}}


def _bound(disk: Path | None, volume: str) -> dict[str, str]:
    """Return the options of a volume that stores its content in a new folder below `disk`; none if `disk` is None."""
    if disk is None:
        return {}
    folder = disk / volume
    folder.mkdir()
    return {"type": "none", "o": "bind", "device": str(folder)}


def image_of(client: docker.DockerClient, image: str | Build, context: Path = ROOT) -> str:
    """Build or pull an image, and return its name.

    One of our own images is built from `context`, and its layers are kept for the next build. Any other image may
    be missing, because `fds setup` gets only images of the selected profiles; then the code of `fds setup` gets it.
    """
    if isinstance(image, str):
        wanted = Image(image)
        if wanted.find() is None:
            wanted.get(print)
        return image
    tag = f"{layers.KEPT}/{image.name}:layers"
    client.images.build(path=str(context), dockerfile=image.dockerfile, tag=tag, rm=True)
    return tag


@contextmanager
def created(name: str, values: Mapping[str, object] | None = None, **options: Any) -> Iterator[Running]:
    """Create the service `name` with its files, but do not start it; remove all created Docker objects at the end.

    Args:
        values: settings of the stack.
        options: additional arguments of `containers.create` of Docker's client.
    """
    settings = Settings.of("t-services", {"profiles": ["full"], **(values or {})})
    services = selected(settings)
    service = next(each for each in services if each.name == name)
    client = local_docker(timeout=900)  # long enough for the first test, which may have to build an image
    own = f"t-services-{secrets.token_hex(4)}"
    context = Context(
        settings, {key: generated_secrets.value(key) for key in generated_secrets.names(settings)}, services
    )
    network = client.networks.create(own, labels=LABELS)
    volumes = {key: f"{own}-{key}" for key in ("files", *(volume.name for volume in service.volumes))}
    for volume in volumes.values():
        client.volumes.create(volume, labels=LABELS)
    try:
        image = image_of(client, service.image)
        container = _container(client, service, image, settings, network, volumes, options)
        running = Running(client, service, context, network, volumes, container)
        try:
            running.deliver()
            yield running
        finally:
            container.remove(force=True, v=True)
    finally:
        network.remove()
        for volume in volumes.values():
            client.volumes.get(volume).remove()
        client.close()


def _container(
    client: docker.DockerClient,
    service: Service,
    image: str,
    settings: Settings,
    network: Network,
    volumes: Mapping[str, str],
    options: Mapping[str, Any],
) -> Container:
    health, processes = service.health, processes_of(service)
    return client.containers.create(
        image,
        list(service.command) or None,
        entrypoint=list(service.entrypoint) or None,
        environment=dict(service.environment(settings)),
        user=service.user,
        labels={**labels.of_service(settings.stack, service.name), **LABELS, **service.labels},
        mem_limit=f"{service.resources.memory_limit_mb}m",
        nano_cpus=round(service.resources.cpu_limit * 10**9),
        ulimits=[docker.types.Ulimit(name="nproc", soft=processes, hard=processes)],
        shm_size=f"{service.shm_mb}m" if service.shm_mb else None,
        cap_drop=["ALL"],
        security_opt=SECURITY_OPTIONS,
        read_only=True,
        tmpfs=dict.fromkeys(service.tmpfs, TMPFS_OPTIONS),
        network=network.name,
        networking_config={network.name: client.api.create_endpoint_config(aliases=[service.name])},
        volumes={
            volumes["files"]: {"bind": "/run/fds", "mode": "ro"},
            **{volumes[volume.name]: {"bind": volume.path} for volume in service.volumes},
        },
        healthcheck={
            "test": ["CMD", *health.command],
            "interval": max(1, health.interval_s // 2) * SECOND,  # shorter than declared, so that tests wait less
            "timeout": health.timeout_s * SECOND,
            "retries": health.retries,
        },
        **options,
    )

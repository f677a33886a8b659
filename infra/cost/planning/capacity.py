"""Compare the needs of the services with a machine: memory in MiB, CPU in cores, disks in GB.

Reservations plus overhead must fit. The sum of the limits may exceed the machine's resources by the factors
`MEMORY_OVERCOMMIT` and `CPU_OVERCOMMIT`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, Decimal

from infra.cost.planning.model import Capacity, Need, ServiceNeed
from infra.cost.planning.prices import ServerType
from infra.services import Service
from infra.settings import Settings
from stack_runtime.docker_endpoint import local_endpoint

SYSTEM_MB = 320
"""Memory of the system in MiB: Debian 12 with sshd, journald, unattended upgrades, dockerd and containerd. This is an
estimate, not measured on a rented server."""
SHIM_MB = 8
"""Estimated memory in MiB that Docker needs for each container: containerd's shim, and the logging."""
SYSTEM_CPU = Decimal("0.1")
SYSTEM_GB = 6
"""GB of the server's disk for the system: 3 for Debian and Docker, 1 for swap, 2 for logs and one more image."""
MEMORY_OVERCOMMIT = Decimal(2)
"""The sum of all memory limits may be this many times the memory that the overhead leaves to the services."""
CPU_OVERCOMMIT = Decimal(8)
"""The sum of all CPU limits may be this many times the number of cores, because services seldom need CPU at the same
time."""
GB = 1_000_000_000
MIB = 1_048_576


@dataclass(frozen=True)
class Machine:
    """Resources of a machine; a resource is None if it is unknown."""

    memory_mb: int | None = None
    cores: int | None = None
    disk_gb: int | None = None
    volume_gb: int | None = None
    architecture: str | None = None
    """`x86` or `arm`; for any other architecture, the name that the machine reports."""
    unknown: str = ""
    """Reason why the resources of an existing machine are unknown; empty if they are known or not needed."""
    keeps_disk: bool = False
    """Whether this is an existing rented server, whose disk stays as it is when its type changes."""


def of_type(kind: ServerType, volume_gb: int) -> Machine:
    """Return the resources of a server of this type.

    A GB of its memory counts as 10^9 bytes, because the kernel leaves about that much of each GiB to processes.
    """
    return Machine(int(kind.memory_gb * GB / MIB), kind.cores, kind.disk_gb, volume_gb)


def this_machine() -> Machine:
    """Return memory and cores of this machine; both are unknown if the Docker daemon runs on another machine."""
    if local_endpoint().is_local:
        return Machine(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // MIB, os.cpu_count())
    return Machine()


def demand(settings: Settings, services: Sequence[Service]) -> Demand:
    """Return the sum of what these services need."""
    needs = tuple(_need(service, service.replicas(settings)) for service in services)
    on_volume = {service.name for service in services if any(volume.data for volume in service.volumes)}
    images = {str(service.image): service.resources.image_mb for service in services}
    return Demand(
        services=needs,
        containers=sum(need.replicas for need in needs),
        memory_mb=sum(need.memory_mb for need in needs),
        memory_limit_mb=sum(need.memory_limit_mb for need in needs),
        cpu=sum((need.cpu for need in needs), Decimal(0)),
        cpu_limit=sum((need.cpu_limit for need in needs), Decimal(0)),
        most_cpu=max((_decimal(service.resources.cpu_limit) for service in services), default=Decimal(0)),
        most_memory_mb=max((service.resources.memory_limit_mb for service in services), default=0),
        server_gb=_images_gb(images.values()) + sum(n.disk_gb for n in needs if n.name not in on_volume),
        volume_gb=sum(need.disk_gb for need in needs if need.name in on_volume),
    )


@dataclass(frozen=True)
class Demand:
    """The needs of all services, computed once and compared with many machines."""

    services: tuple[ServiceNeed, ...]
    containers: int
    memory_mb: int
    memory_limit_mb: int
    cpu: Decimal
    cpu_limit: Decimal
    most_cpu: Decimal
    most_memory_mb: int
    server_gb: int
    volume_gb: int

    def on_one_disk(self) -> Demand:
        """Return these needs for a machine that keeps data on its own disk, without a data volume."""
        return replace(self, server_gb=self.server_gb + self.volume_gb, volume_gb=0)

    @property
    def overhead_mb(self) -> int:
        """Memory of the system, of Docker, and of one shim for each container, in MiB."""
        return SYSTEM_MB + SHIM_MB * self.containers

    def on(self, machine: Machine) -> Capacity:
        """Return the comparison of these needs with the resources of `machine`."""
        usable = None if machine.memory_mb is None else (machine.memory_mb - self.overhead_mb) * MEMORY_OVERCOMMIT
        cores = None if machine.cores is None else machine.cores * CPU_OVERCOMMIT
        return Capacity(
            memory_mb=_beside(self.memory_mb, self.overhead_mb, machine.memory_mb),
            cpu=_beside(self.cpu, SYSTEM_CPU, machine.cores),
            disk_gb=_beside(self.server_gb, SYSTEM_GB, machine.disk_gb),
            volume_gb=_beside(self.volume_gb, 0, machine.volume_gb),
            memory_limits_mb=_beside(self.memory_limit_mb, 0, usable),
            cpu_limits=_beside(self.cpu_limit, 0, cores),
            services=self.services,
            problems=tuple(self.problems(machine)),
        )

    def problems(self, machine: Machine) -> list[str]:
        """Return a text for each need that does not fit on `machine`: how much is needed, and how much is available."""
        disk = "server disk, which only a new server enlarges" if machine.keeps_disk else "server disk"
        found = [
            _lack("memory", self.memory_mb + self.overhead_mb, machine.memory_mb, "MiB"),
            _lack("CPU", self.cpu + SYSTEM_CPU, machine.cores, "cores"),
            _lack(disk, self.server_gb + SYSTEM_GB, machine.disk_gb, "GB"),
            _lack("volume", self.volume_gb, machine.volume_gb, "GB"),
            _lack("the CPU limit of one service", self.most_cpu, machine.cores, "cores"),
        ]
        if machine.memory_mb is not None:
            usable = machine.memory_mb - self.overhead_mb
            found.append(_lack("the memory limit of one service", self.most_memory_mb, usable, "MiB"))
            found.append(_lack("memory limits", self.memory_limit_mb, usable * MEMORY_OVERCOMMIT, "MiB"))
        if machine.cores is not None:
            found.append(_lack("CPU limits", self.cpu_limit, machine.cores * CPU_OVERCOMMIT, "cores"))
        return [problem for problem in found if problem]


def _need(service: Service, replicas: int) -> ServiceNeed:
    own = service.resources
    return ServiceNeed(
        name=service.name,
        replicas=replicas,
        memory_mb=own.memory_mb * replicas,
        memory_limit_mb=own.memory_limit_mb * replicas,
        cpu=_decimal(own.cpu) * replicas,
        cpu_limit=_decimal(own.cpu_limit) * replicas,
        disk_gb=own.disk_gb * replicas,
        measured=own.measured,
    )


def _images_gb(sizes_mb: Iterable[int]) -> int:
    return int((Decimal(sum(sizes_mb)) * MIB / GB).to_integral_value(rounding=ROUND_CEILING))


def _decimal(value: float) -> Decimal:
    return Decimal(str(value))


def _beside(reserved: Decimal | int, overhead: Decimal | int, available: Decimal | int | None) -> Need:
    return Need(
        reserved=Decimal(reserved),
        overhead=Decimal(overhead),
        available=None if available is None else Decimal(available),
    )


def _lack(what: str, needed: Decimal | int, available: Decimal | int | None, unit: str) -> str:
    if available is None or needed <= available:
        return ""
    return f"{what}: {needed:,} {unit} needed, {max(available, 0):,} available"

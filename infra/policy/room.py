"""Check that the containers of a stack fit its servers, by the planner's rules and the containers' real inputs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

from infra.cost.planning.capacity import Demand, Machine, of_type
from infra.cost.planning.inputs import RentalInputs
from infra.policy.inputs import number
from infra.policy.resources import CONTAINER, SERVER, Resource


def lacking(resources: Sequence[Resource], inputs: RentalInputs) -> list[str]:
    """Return a text for each need of the containers, such as memory or CPU, that the servers together do not meet.

    Values that only the plan knows count as zero here: CPU reservations, and sizes of images and data.

    Raises:
        UnknownInputError: a limit or a reservation is not known yet.
    """
    types = inputs.prices.server_types if inputs.prices else {}
    kinds = [types.get(str(server.props.get("serverType"))) for server in servers(resources)]
    machines = [of_type(kind, volume_gb=0) for kind in kinds if kind]
    if inputs.machine is not None:
        machines.append(inputs.machine)
    if not machines:
        return []
    memory, cores, disk = (_sum(getattr(machine, name) for machine in machines) for name in _CAPACITIES)
    return _demand(resources).problems(Machine(memory, cores, disk))


_CAPACITIES = ("memory_mb", "cores", "disk_gb")


def _sum(sizes: Iterable[int | None]) -> int | None:
    """Return the sum of sizes; None if one size is unknown."""
    total = 0
    for size in sizes:
        if size is None:
            return None
        total += size
    return total


def _demand(resources: Sequence[Resource]) -> Demand:
    """Return the reservations and limits of all containers that are started."""
    started = [one for one in resources if one.kind == CONTAINER and one.props.get("start") is not False]
    limits = [_number(container, "memory") for container in started]
    cpus = [_number(container, "cpus") for container in started]
    return Demand(
        services=(),
        containers=len(started),
        memory_mb=int(sum(_number(container, "memoryReservation") for container in started)),
        memory_limit_mb=int(sum(limits)),
        cpu=Decimal(0),
        cpu_limit=sum(cpus, Decimal(0)),
        most_cpu=max(cpus, default=Decimal(0)),
        most_memory_mb=int(max(limits, default=Decimal(0))),
        server_gb=0,
        volume_gb=0,
    )


def _number(container: Resource, key: str) -> Decimal:
    """Return the container's value of `key`; 0 if it is negative, which would reduce the sum over all containers."""
    return max(number(container.get(key)) or Decimal(0), Decimal(0))


def servers(resources: Sequence[Resource]) -> Iterator[Resource]:
    """Return the rented servers among the resources."""
    return (resource for resource in resources if resource.kind == SERVER)

"""List the servers that the settings allow. The cheapest server that is `Candidate.usable` comes first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Literal, NamedTuple

from infra.cost.planning.capacity import Demand, Machine, of_type
from infra.cost.planning.lines import Amount, CurrencyConverter, TaxedPrices, stack_amounts
from infra.cost.planning.prices import Offer, PriceList, ServerType, unknown_price
from infra.services import Service
from infra.settings import Settings
from stack_runtime.errors import UnknownError

AUTO = "auto"

Obstacle = Literal["location", "architecture", "disk"]


@dataclass(frozen=True)
class Deployed:
    """The existing server and data volume of this stack in the account. The fields of a missing one are empty or 0."""

    server_type: str = ""
    location: str = ""
    volume_gb: int = 0
    disk_gb: int = 0
    architecture: str = ""
    volume_location: str = ""

    @property
    def place(self) -> str:
        """Return the location of the server, else of the data volume; neither can move. Empty when neither exists."""
        return self.location or self.volume_location

    def machine(self, kind: ServerType, volume_gb: int) -> Machine:
        """Return the resources of the stack's server with the type `kind`: an existing server keeps its disk."""
        machine = of_type(kind, volume_gb)
        return replace(machine, disk_gb=self.disk_gb, keeps_disk=True) if self.disk_gb else machine

    def obstacles(self, server_type: str, location: str, architecture: str, disk_gb: int) -> tuple[Obstacle, ...]:
        """Return why the existing server cannot become such a server, or the existing volume cannot be attached to it.

        Neither can move to another location, an architecture cannot change, and a disk cannot shrink. A server that
        keeps its type keeps its architecture and its disk, whatever the price list now states for this type.
        """
        if not self.place:
            return ()
        resized = server_type != self.server_type
        found: dict[Obstacle, bool] = {
            "location": location != self.place,
            "architecture": resized and bool(self.architecture) and architecture != self.architecture,
            "disk": resized and disk_gb < self.disk_gb,
        }
        return tuple(name for name, holds in found.items() if holds)


class Candidate(NamedTuple):
    """One server type at one location, with all costs of the stack there."""

    kind: ServerType
    location: str
    offer: Offer
    orderable: bool
    runs: bool
    """Whether the stack's running server has this type and location."""
    reachable: bool
    """Whether the existing server and volume allow the type and the location, where `auto` selected them."""
    problems: tuple[str, ...]
    amounts: Sequence[Amount]
    usd: Decimal | None
    """Monthly cost in dollars; None if an exchange rate is needed but unknown."""
    cost: Decimal
    """The cost in dollars, else in the account's currency; only for comparison."""

    @property
    def usable(self) -> bool:
        """Whether this server can be selected.

        So the existing server and volume allow it, it can be ordered or already runs, and all services fit on it.
        """
        return self.reachable and (self.orderable or self.runs) and not self.problems


def candidates(
    settings: Settings,
    services: Sequence[Service],
    demand: Demand,
    tariff: TaxedPrices,
    converter: CurrencyConverter,
    today: date,
    deployed: Deployed,
) -> list[Candidate]:
    """Return all servers that the settings allow, usable servers first, then the other servers.

    Usable servers are sorted by cost, then by memory (largest first), then by name; the other servers likewise.

    Raises:
        UnknownError: the price list lacks the type, the location, or a needed price.
    """
    found = []
    allowed = _allowed(settings, tariff.prices)
    machines = {kind.name: (kind, deployed.machine(kind, settings.volume_gb)) for kind, _ in allowed}
    problems = {name: _problems(kind, services, demand, machine) for name, (kind, machine) in machines.items()}
    for kind, location in allowed:
        offer = kind.offers[location]
        amounts = stack_amounts(settings, tariff, kind.name, location)
        usd = converter.total_usd(amounts)
        found.append(
            Candidate(
                kind=kind,
                location=location,
                offer=offer,
                orderable=offer.orderable(today),
                runs=(kind.name, location) == (deployed.server_type, deployed.location),
                reachable=_reachable(settings, deployed, kind, location),
                problems=problems[kind.name],
                amounts=amounts,
                usd=usd,
                cost=sum((a.native for a in amounts), Decimal(0)) if usd is None else usd,
            )
        )
    return sorted(found, key=_order)


def _order(candidate: Candidate) -> tuple[bool, Decimal, Decimal, str, str]:
    return not candidate.usable, candidate.cost, -candidate.kind.memory_gb, candidate.kind.name, candidate.location


def _reachable(settings: Settings, deployed: Deployed, kind: ServerType, location: str) -> bool:
    """Return False if `auto` would select a server that the existing server or volume rules out.

    A location or type that the settings name is planned as named; `scaling.refuse_harm` then says what to change.
    """
    found = deployed.obstacles(kind.name, location, kind.architecture, kind.disk_gb)
    return AUTO not in [settings.location if one == "location" else settings.server_type for one in found]


def _allowed(settings: Settings, prices: PriceList) -> list[tuple[ServerType, str]]:
    """Return the allowed pairs of type and location; a type or location that the price list lacks is an error."""
    if settings.location not in (AUTO, *prices.locations):
        raise _not_in_list(f"location {settings.location}", ", ".join(prices.locations), prices, settings)
    if settings.server_type not in (AUTO, *prices.server_types):
        raise _not_in_list(f"server type {settings.server_type}", ", ".join(prices.server_types), prices, settings)
    found = [
        (kind, location)
        for kind in prices.server_types.values()
        for location in kind.offers
        if settings.server_type in (AUTO, kind.name) and settings.location in (AUTO, location)
        # If the location is "auto", skip locations without a price for an IPv4 address. In a named location, keep the
        # pair, so that the missing price is reported as an error.
        and (location in prices.ipv4 or settings.location != AUTO)
    ]
    if not found:
        raise unknown_price(f"server type {settings.server_type} in {settings.location}", prices)
    return found


def _not_in_list(what: str, known: str, prices: PriceList, settings: Settings) -> UnknownError:
    return UnknownError(
        f"{what} is not in the price list, which has {known}",
        where=prices.source,
        next_command=f"correct it in Pulumi.{settings.stack}.yaml",
    )


def _problems(kind: ServerType, services: Sequence[Service], demand: Demand, machine: Machine) -> tuple[str, ...]:
    """Return why the services do not fit on a server of type `kind`, whose resources are those of `machine`."""
    problems = demand.problems(machine)
    lacking = sorted(service.name for service in services if kind.architecture not in service.architectures)
    if lacking:
        problems.append(f"no {kind.architecture} image: {', '.join(lacking)}")
    return tuple(problems)

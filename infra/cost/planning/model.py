"""Define the models of a plan. `fds cost --json` prints their JSON; `plan.schema.json` is generated from them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema

Verdict = Literal["within", "over", "does_not_fit", "unknown"]
Tax = Literal["gross", "net"]
Currency = Literal["EUR", "USD"]

STRAY = "(stray)"
"""Stands for the owner of resources that belong to no stack of this project. It is neither a valid stack name nor a
valid label value, so no stack can have this name."""


def _number(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)


def exact(value: Decimal) -> str:
    """Format a unit price with all significant decimal places, at least two."""
    text = format(value.normalize(), "f")
    whole, _, places = text.partition(".")
    return f"{whole}.{places.ljust(2, '0')}"


Money = Annotated[
    Decimal,
    PlainSerializer(lambda value: format(value, ".2f"), return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^-?\d+\.\d{2}$"}),
]
"""Amount of money, with two decimal places in JSON."""
UnitPrice = Annotated[
    Decimal,
    PlainSerializer(exact, return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^\d+\.\d{2,}$"}),
]
"""Price of one unit, not rounded to cents: a GB of volume costs 5.72 cents, for example."""
Number = Annotated[Decimal, PlainSerializer(_number, return_type=int | float), WithJsonSchema({"type": "number"})]
"""Type of a count or size, in contrast to money."""


class Frozen(BaseModel):
    """Base of the models: immutable, unknown fields are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Source(Frozen):
    """Source and date of a figure."""

    date: date
    source: str


class Fx(Source):
    """Exchange rate in US dollars per euro."""

    rate: UnitPrice
    note: Annotated[str, Field(exclude=True)] = ""
    """How far the rate is below the last known one; empty if it is not. In the JSON, the plan's warnings have it."""


class Server(Frozen):
    """The planned server; sizes in GB as the provider states them."""

    type: str
    location: str
    architecture: str
    cores: int
    memory_gb: Number
    disk_gb: int
    orderable: bool


class Line(Frozen):
    """One item of the monthly bill, rounded up to the cent in each currency."""

    resource: str
    quantity: Number
    unit: str
    unit_price: UnitPrice
    currency: Currency
    """Currency of `unit_price`. It can differ from the currency of the plan: off-site space is priced in euros."""
    monthly_eur: Money | None
    """Monthly cost in euros; None if the unit price is in dollars and no exchange rate is known."""
    monthly_usd: Money | None
    """Monthly cost in dollars; None if the unit price is in euros and no exchange rate is known."""
    note: str = ""


class Need(Frozen):
    """Memory, CPU or disk: `reserved` by services, `overhead` of the system, total `available` (None: unknown)."""

    reserved: Number
    overhead: Number
    available: Number | None

    @property
    def fits(self) -> bool:
        """Whether reservations and overhead fit; True if `available` is unknown."""
        return self.available is None or self.reserved + self.overhead <= self.available


class ServiceNeed(Frozen):
    """Reservations and limits of one service, for all replicas together."""

    name: str
    replicas: int
    memory_mb: int
    memory_limit_mb: int
    cpu: Number
    cpu_limit: Number
    disk_gb: int
    measured: str
    """How the reservation was measured."""
    measured_mb: int | None = None
    """Memory in use at the last `fds status`, in MiB; None if unknown."""


class Capacity(Frozen):
    """The needs of all services, compared with a machine: memory in MiB, CPU in cores, disks in GB.

    `problems` names what does not fit.
    """

    memory_mb: Need
    cpu: Need
    disk_gb: Need
    volume_gb: Need
    memory_limits_mb: Need
    cpu_limits: Need
    services: tuple[ServiceNeed, ...]
    problems: tuple[str, ...] = ()
    measured_on: date | None = None
    """Date of the last `fds status`."""


class Change(Frozen):
    """Difference of one line of the bill between two plans."""

    resource: str
    before_usd: Money
    after_usd: Money
    added_usd: Money
    once: bool = False
    """Whether the difference is paid once, not monthly."""
    note: str = ""


def _pairs(settings: Mapping[str, str]) -> list[str]:
    return [f"{key}={value}" for key, value in settings.items()]


class Alternative(Frozen):
    """Other settings whose plan is within the budget; `settings` are arguments of `fds scale`."""

    describe: str
    settings: dict[str, str]
    total_usd: Money
    verdict: Verdict

    @property
    def pairs(self) -> list[str]:
        """Return the settings as `KEY=VALUE`."""
        return _pairs(self.settings)

    def command(self, stack: str) -> str:
        """Return the command that writes these settings, followed by their description and the stack's monthly cost."""
        return f"fds scale {' '.join(self.pairs)} --stack {stack} --apply ({self.describe}, ${self.total_usd:.2f})"


class NextStep(Frozen):
    """The next larger size of a disk or server: arguments of `fds scale`, and the total that the stack then costs."""

    settings: dict[str, str]
    total_usd: Money | None
    verdict: Verdict

    @property
    def arguments(self) -> str:
        """Return the settings as `KEY=VALUE`, separated by spaces."""
        return " ".join(_pairs(self.settings))


class UsageForecast(Frozen):
    """Use of a disk or the memory at the last `fds status`; `full_on` is None if steady growth was not measured."""

    resource: Literal["data", "system", "memory"]
    used_gb: Number
    size_gb: Number
    full_on: date | None
    next_step: NextStep | None = None
    """How to get a larger disk before this disk is full. None if `full_on` is None, if no larger disk can be had, and
    for memory (see `Plan.more_memory`). For the system disk, the step is a new server with a larger disk, because
    `fds up` keeps the disk of a server when it changes the server's type."""


class Plan(Frozen):
    """Cost of the settings, and the verdict whether they may be deployed."""

    stack: str
    host: str
    verdict: Verdict
    budget_usd: Money
    total_usd: Money | None
    total_eur: Money | None
    currency: Currency
    tax: Tax
    fx: Fx | None
    prices: Source | None
    server: Server | None
    capacity: Capacity
    lines: tuple[Line, ...]
    changes: tuple[Change, ...] = ()
    warnings: tuple[str, ...] = ()
    alternatives: tuple[Alternative, ...] = ()
    usage: tuple[UsageForecast, ...] = ()
    more_memory: NextStep | None = None
    """The next server with more memory; None without a rented server, or if no larger server can be ordered."""
    reason: str
    advice: str = ""
    """What to do about a missing price or rate; empty if none is missing."""

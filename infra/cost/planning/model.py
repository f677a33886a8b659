"""What a plan says. The JSON of these models is what `fds cost --json` prints; `plan.schema.json` is made from them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, PlainSerializer, WithJsonSchema

Verdict = Literal["within", "over", "does_not_fit", "unknown"]
Tax = Literal["gross", "net"]
Currency = Literal["EUR", "USD"]

STRAY = "(stray)"
"""Owner of resources that belong to no stack of this project. Neither a stack nor a label can have this name."""


def _number(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)


def exact(value: Decimal) -> str:
    """A price a unit: every place that counts, at least two."""
    text = format(value.normalize(), "f")
    whole, _, places = text.partition(".")
    return f"{whole}.{places.ljust(2, '0')}"


Money = Annotated[
    Decimal,
    PlainSerializer(lambda value: format(value, ".2f"), return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^-?\d+\.\d{2}$"}),
]
"""A sum in whole cents."""
UnitPrice = Annotated[
    Decimal,
    PlainSerializer(exact, return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^\d+\.\d{2,}$"}),
]
"""The price of one unit, unrounded: a GB of volume costs a fraction of a cent's multiple."""
Number = Annotated[Decimal, PlainSerializer(_number, return_type=int | float), WithJsonSchema({"type": "number"})]
"""A count or size; never money."""


class Frozen(BaseModel):
    """Immutable, and closed to fields that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Source(Frozen):
    """Where a figure comes from, and of which day it is."""

    date: date
    source: str


class Fx(Source):
    """US dollars for one euro."""

    rate: UnitPrice


class Server(Frozen):
    """The planned server. Sizes in GB as the provider sells them."""

    type: str
    location: str
    architecture: str
    cores: int
    memory_gb: Number
    disk_gb: int
    orderable: bool


class Line(Frozen):
    """One thing that is paid for every month, rounded up to the cent in each currency."""

    resource: str
    quantity: Number
    unit: str
    unit_price: UnitPrice
    monthly_eur: Money | None
    """None only for an account in dollars when no exchange rate is known."""
    monthly_usd: Money | None
    """None only when no exchange rate is known."""
    note: str = ""


class Need(Frozen):
    """`reserved` by services, `overhead` of system and Docker, `available` in all (None: not known)."""

    reserved: Number
    overhead: Number
    available: Number | None

    @property
    def fits(self) -> bool:
        """Whether reservations and overhead are within what is there; what is not known does not decide."""
        return self.available is None or self.reserved + self.overhead <= self.available


class ServiceNeed(Frozen):
    """What one service reserves and may use at most, all replicas together."""

    name: str
    replicas: int
    memory_mb: int
    memory_limit_mb: int
    cpu: Number
    cpu_limit: Number
    disk_gb: int
    measured: str
    """How the reservation was found."""
    measured_mb: int | None = None
    """Memory that it held when `fds status` looked last; None: not known."""


class Capacity(Frozen):
    """Memory in MiB, CPU in cores, disks in GB. `problems` says in words what does not fit."""

    memory_mb: Need
    cpu: Need
    disk_gb: Need
    volume_gb: Need
    memory_limits_mb: Need
    cpu_limits: Need
    services: tuple[ServiceNeed, ...]
    problems: tuple[str, ...] = ()
    measured_on: date | None = None
    """The day on which `fds status` looked last."""


class Change(Frozen):
    """What one line of the bill does between two plans."""

    resource: str
    before_usd: Money
    after_usd: Money
    added_usd: Money
    once: bool = False
    """Paid one time, not each month."""
    note: str = ""


class Alternative(Frozen):
    """Other settings that were planned and stay within the budget. `settings` is what `fds scale` takes."""

    describe: str
    settings: dict[str, str]
    total_usd: Money
    verdict: Verdict


class Plan(Frozen):
    """What the settings cost and whether they may be deployed."""

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
    reason: str

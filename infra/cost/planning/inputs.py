"""Inputs of a plan for a rented server, and the maximum age of prices and rate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from infra.cost.planning.choice import Deployed
from infra.cost.planning.model import Fx, Plan
from infra.cost.planning.prices import PriceList

PRICES_DAYS = 14
RATE_DAYS = 30
"""Maximum age of prices and of the exchange rate in days; a plan with older ones is `unknown`."""


LEAST_RATE, MOST_RATE = Decimal("0.8"), Decimal("1.7")
"""A euro has cost between $0.82 and $1.60 since it exists; a rate outside these bounds is a mistake."""


def implausible(rate: Decimal) -> bool:
    """Return whether a rate is outside the bounds of all rates since the euro exists."""
    return not LEAST_RATE <= rate <= MOST_RATE


@dataclass(frozen=True)
class Running:
    """One resource of an account with its monthly price (None: unknown, and `note` says why)."""

    owner: str
    """Name of a stack, or `(stray)`."""
    kind: str
    resource: str
    eur: Decimal | None
    usd: Decimal | None
    note: str = ""


@dataclass(frozen=True)
class RentalInputs:
    """Inputs of a plan for a rented server, in addition to settings and services."""

    prices: PriceList
    rate: Fx | None
    today: date
    others: Sequence[Plan] = ()
    """Plans of the other stacks in the same budget group, made from their files."""
    other_groups: Mapping[str, str] = field(default_factory=dict)
    """Names of other budget groups by stack, for stacks whose file names one."""
    running: Sequence[Running] | None = None
    """All resources of the group's accounts; None when no account was queried."""
    deployed: Deployed | None = None
    """The running server and volume of this stack; None if unknown."""
    allow_snapshot: bool = False

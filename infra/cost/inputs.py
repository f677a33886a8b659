"""What a plan is made from, beside settings and services, and how old that may be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from infra.cost.choice import Deployed
from infra.cost.model import Fx, Plan
from infra.cost.prices import PriceList

PRICES_DAYS = 14
RATE_DAYS = 30
"""How old prices and an exchange rate may be, in days, before a plan on them is `unknown`."""


@dataclass(frozen=True)
class Running:
    """One thing that an account holds, with its price a month (None: unknown, and `note` says why)."""

    owner: str
    """A stack, or `(stray)`."""
    kind: str
    resource: str
    eur: Decimal | None
    usd: Decimal | None
    note: str = ""


@dataclass(frozen=True)
class Inputs:
    """All that a plan is made from, beside settings and services."""

    prices: PriceList
    rate: Fx | None
    today: date
    others: Sequence[Plan] = ()
    """Plans of the other stacks of the same budget group, as their files say."""
    other_groups: Mapping[str, str] = field(default_factory=dict)
    """Stacks whose files put them into another budget group, with its name."""
    running: Sequence[Running] | None = None
    """Everything that the group's accounts hold; None: no account was asked."""
    deployed: Deployed | None = None
    """None: not known."""
    allow_snapshot: bool = False

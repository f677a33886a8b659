"""What a plan is made from, beside settings and services, and how old that may be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from infra.cost.choice import Deployed
from infra.cost.model import Fx, Plan
from infra.cost.prices import PriceList

PRICES_DAYS = 14
RATE_DAYS = 30
"""How old prices and an exchange rate may be, in days, before a plan on them is `unknown`."""


@dataclass(frozen=True)
class Inputs:
    """All that a plan is made from, beside settings and services."""

    prices: PriceList
    rate: Fx | None
    today: date
    others: Sequence[Plan] = ()
    """Plans of the other stacks of the same budget group."""
    deployed: Deployed | None = None
    """None: not known."""
    allow_snapshot: bool = False

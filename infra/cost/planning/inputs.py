"""Define the inputs of a plan, and how old its prices and its exchange rate may be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from infra.cost.planning.capacity import Machine
from infra.cost.planning.choice import Deployed
from infra.cost.planning.model import Currency, Fx, Plan
from infra.cost.planning.prices import PriceList

PRICES_DAYS = 14
RATE_DAYS = 30
STATED_DAYS = 92
"""Maximum ages in days of three values: the price list, the exchange rate, and the price that the user states for an
existing server. The stated price may be older than the others, because it comes from a contract and rarely changes.
If a value is older than its maximum age, the verdict of the plan is `unknown`, unless `allow_snapshot` is set."""


LEAST_RATE, MOST_RATE = Decimal("0.8"), Decimal("1.7")
"""Bounds of a plausible rate in dollars per euro. Every rate so far was between 0.82 and 1.60."""


def implausible(rate: Decimal) -> bool:
    """Return whether a rate is outside `LEAST_RATE` to `MOST_RATE`."""
    return not LEAST_RATE <= rate <= MOST_RATE


@dataclass(frozen=True)
class Running:
    """One resource of an account with its monthly price; `eur` or `usd` is None if it is unknown.

    `note` says why a price is unknown; it is empty if only the exchange rate is missing.
    """

    owner: str
    """Name of the stack that the resource belongs to; `(stray)` if it belongs to no stack of this project."""
    kind: str
    resource: str
    eur: Decimal | None
    usd: Decimal | None
    note: str = ""


@dataclass(frozen=True)
class RentalInputs:
    """Inputs of a plan, in addition to settings and services."""

    prices: PriceList | None
    """Price list of the provider; None when no stack of the budget group rents a server."""
    rate: Fx | None
    today: date
    others: Sequence[Plan] = ()
    """Plans of the other stacks in the same budget group, calculated from their stack files."""
    other_groups: Mapping[str, str] = field(default_factory=dict)
    """Budget group by name of the stack, for stacks that are in another group than this stack."""
    running: Sequence[Running] | None = None
    """All resources in the accounts of the project's stacks; None when no account was queried."""
    deployed: Deployed | None = None
    """The existing server and data volume of this stack; None if it is not known whether they exist."""
    deployed_beside: Mapping[str, Deployed] = field(default_factory=dict)
    """The existing server and data volume by name, of the project's other stacks; empty if no account was queried."""
    prices_beside: Mapping[str, PriceList] = field(default_factory=dict)
    """The price list of its own account by name, of the project's other stacks; empty if no account was queried."""
    allow_snapshot: bool = False
    """Whether to accept prices or a rate that are too old, with a warning."""
    machine: Machine | None = None
    """The existing machine that the containers run on; None if there is none yet, if it was not examined, or for a
    rented server, whose capacity the price list states."""

    stated: Currency | None = None
    """Currency of the price that the user states for a server of their own."""

    @property
    def price_list(self) -> PriceList:
        """Return the price list.

        Raises:
            ValueError: there is no price list.
        """
        if self.prices is None:
            raise ValueError("a rented server needs a price list")
        return self.prices

    @property
    def currency(self) -> Currency:
        """Return the currency of the bill: the currency of the stated price, else of the price list, else EUR."""
        return self.stated or (self.prices.currency if self.prices else "EUR")

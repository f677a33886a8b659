"""What an account really runs: the JSON of `fds cost --actual`. Imports no API client, for that is slow."""

from __future__ import annotations

from infra.cost.planning.model import Frozen, Money


class Item(Frozen):
    """One thing in the account. `owner` is a stack's name, or `(stray)`."""

    owner: str
    resource: str
    hours: int
    monthly_usd: Money | None
    so_far_usd: Money | None
    note: str = ""


class Actual(Frozen):
    """The whole account. A sum is None as soon as one price in it is unknown."""

    stack: str
    items: tuple[Item, ...]
    total_usd: Money | None
    so_far_usd: Money | None
    stack_usd: Money | None
    planned_usd: Money | None
    budget_usd: Money
    warnings: tuple[str, ...]

"""Define the models of the JSON of `fds cost --actual`, without importing the API client, whose import is slow."""

from __future__ import annotations

from infra.cost.planning.model import Frozen, Money


class Item(Frozen):
    """One resource in the account. `owner` is its stack, or `(stray)` if it belongs to no stack of this project."""

    owner: str
    resource: str
    hours: int
    monthly_usd: Money | None
    so_far_usd: Money | None
    note: str = ""


class Actual(Frozen):
    """All resources of an account with their costs. A sum is None if one of its prices is unknown."""

    stack: str
    items: tuple[Item, ...]
    total_usd: Money | None
    so_far_usd: Money | None
    stack_usd: Money | None
    planned_usd: Money | None
    budget_usd: Money
    warnings: tuple[str, ...]

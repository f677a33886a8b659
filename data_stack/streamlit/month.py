"""Compute what the current month has cost so far, and forecast its total, from the lines of a plan."""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, Decimal

from stack_runtime.billed_hours import HOURS_TO_CAP, start_of_month, started_hours
from stack_runtime.planned_cost import CostLine, PlannedCost

_CENT = Decimal("0.01")


@dataclass(frozen=True)
class Month:
    """Costs of one month in dollars.

    `so_far_usd` counts only what is paid by the hour, until now. `forecast_usd` is for the whole month, and also counts
    all other lines of the plan.
    """

    so_far_usd: Decimal
    forecast_usd: Decimal


def current(plan: PlannedCost, now: datetime) -> Month | None:
    """Return the costs of the month of `now`; None if the age of the server or a price is unknown.

    The costs assume that everything paid by the hour has existed since the server was created, at the planned prices.
    """
    if plan.total_usd is None or plan.server_created_at is None or plan.server_created_at > now:
        return None
    start = start_of_month(now)
    end = start + timedelta(days=monthrange(now.year, now.month)[1])
    began = max(start, plan.server_created_at)
    hourly = [line for line in plan.lines if line.by_the_hour]
    other = [line for line in plan.lines if not line.by_the_hour]
    so_far = _sum(hourly, _hours(began, now))
    forecast, rest = _sum(hourly, _hours(began, end)), _sum(other, HOURS_TO_CAP)
    if so_far is None or forecast is None or rest is None:
        return None
    return Month(so_far, forecast + rest)


def _hours(began: datetime, until: datetime) -> int:
    """Return the started hours between two times, at most the number of hours at which the monthly price is reached."""
    return min(HOURS_TO_CAP, started_hours(began, until))


def _sum(lines: list[CostLine], hours: int) -> Decimal | None:
    """Return what the lines cost for `hours` hours, each line rounded up to the cent; None if a price is unknown."""
    total = Decimal(0)
    for line in lines:
        if line.monthly_usd is None:
            return None
        total += (line.monthly_usd * hours / HOURS_TO_CAP).quantize(_CENT, rounding=ROUND_CEILING)
    return total

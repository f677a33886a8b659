"""Count started hours, which Hetzner bills, and say after how many hours of a month it bills no more."""

from __future__ import annotations

from datetime import datetime
from decimal import ROUND_CEILING, Decimal

HOURS_TO_CAP = 624
"""Number of hours whose hourly prices add up to the monthly price; Hetzner bills no further hours of the month."""


def started_hours(began: datetime, until: datetime) -> int:
    """Return the number of started hours between two times; at least 1."""
    hours = Decimal(str((until - began).total_seconds())) / 3600
    return max(1, int(hours.to_integral_value(rounding=ROUND_CEILING)))


def start_of_month(now: datetime) -> datetime:
    return now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)

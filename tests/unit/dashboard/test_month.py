"""Test the costs of the current month against hand-computed examples."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from data_stack.streamlit.month import Month, current
from stack_runtime.planned_cost import CostLine, PlannedCost

CREATED = datetime(2026, 11, 10, tzinfo=UTC)
SERVER, TRAFFIC = CostLine("server", Decimal("12.48"), True), CostLine("traffic", Decimal("1.50"), False)
PLAN = PlannedCost(
    stack="prod",
    verdict="within",
    reason="",
    budget_usd=Decimal(50),
    total_usd=Decimal("13.98"),
    tax="gross",
    paid=True,
    deployed_at=CREATED,
    server_created_at=CREATED,
    prices=None,
    rate=None,
    lines=(SERVER, TRAFFIC),
)


# After 624 hours, a server has cost its monthly price. So an hour costs 12.48 / 624 = 0.02. The forecast is the cost of
# the server until the end of the month, plus 1.50 for traffic.
@pytest.mark.parametrize(
    ("created", "now", "so_far", "forecast"),
    [
        (CREATED, CREATED, "0.02", "11.58"),  # the first hour has begun; 504 hours until the end of November
        (CREATED, datetime(2026, 11, 12, 0, 0, 1, tzinfo=UTC), "0.98", "11.58"),  # the 49th hour has begun
        (datetime(2026, 9, 1, tzinfo=UTC), datetime(2026, 11, 2, tzinfo=UTC), "0.48", "13.98"),  # 24 hours of November
        (
            datetime(2026, 9, 1, tzinfo=UTC),
            datetime(2026, 11, 30, tzinfo=UTC),
            "12.48",
            "13.98",
        ),  # no more than the monthly price
        (datetime(2027, 12, 31, 23, tzinfo=UTC), datetime(2027, 12, 31, 23, 30, tzinfo=UTC), "0.02", "1.52"),
    ],
)
def test_each_begun_hour_of_the_month_is_billed_up_to_the_monthly_price(
    created: datetime, now: datetime, so_far: str, forecast: str
) -> None:
    found = current(replace(PLAN, server_created_at=created), now)
    assert found == Month(Decimal(so_far), Decimal(forecast))


@pytest.mark.parametrize(
    "unknown",
    [
        {"server_created_at": None},
        {"total_usd": None},
        {"server_created_at": datetime(2026, 12, 1, tzinfo=UTC)},
        {"lines": (replace(SERVER, monthly_usd=None),)},
        {"lines": (SERVER, replace(TRAFFIC, monthly_usd=None))},
    ],
)
def test_cost_of_the_month_is_unknown_unless_all_prices_and_a_past_creation_date_are_known(
    unknown: dict[str, object],
) -> None:
    assert current(replace(PLAN, **unknown), datetime(2026, 11, 20, tzinfo=UTC)) is None  # type: ignore[arg-type]

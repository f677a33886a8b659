"""Test that the page "Cost" shows the figures of a plan, and shows unknown amounts as unknown."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from selenium.webdriver.common.by import By

from stack_runtime.planned_cost import CostLine, PlannedCost, Source, write
from tests.integration.dashboard.conftest import Dashboard
from tests.integration.dashboard.test_dashboard import HOSTILE
from tests.integration.dashboard.test_layout import CUT, set_width
from tests.integration.dashboard.test_quality import tables

NOW = datetime.now(UTC)
PLAN = PlannedCost(
    stack="prod",
    verdict="within",
    reason="$27.26 a month, $22.74 below the budget of $50.00",
    budget_usd=Decimal("50.00"),
    total_usd=Decimal("27.26"),
    tax="gross",
    paid=True,
    deployed_at=NOW,
    server_created_at=datetime(2020, 1, 1, tzinfo=UTC),
    prices=Source("2026-10-07", "the account's price list"),
    rate=Source("2026-10-28", "1.1133 US dollars per euro, the European Central Bank"),
    lines=(
        CostLine("server cpx22 in nbg1", Decimal("24.26"), True),
        CostLine("IPv4 address in nbg1", Decimal("1.00"), True),
        CostLine("traffic over the included", Decimal("2.00"), False, "25 TB expected, 20 TB included"),
    ),
)


def show(dashboard: Dashboard, plan: PlannedCost) -> None:
    write(plan, dashboard.published.parent)
    dashboard.open("cost")


def test_plan_and_budget_are_shown_with_the_forecast(dashboard: Dashboard) -> None:
    show(dashboard, PLAN)
    dashboard.wait_for_metrics(
        Planned="$27.26",
        Budget="$50.00",
        Left_of_the_budget="$22.74",
        Share_of_the_budget="55%",
        Forecast_for_the_month="$27.26",
    )
    so_far = Decimal(dashboard.metrics()["Paid by the hour, so far"].removeprefix("$"))
    hours = (NOW - NOW.replace(day=1, hour=0, minute=0, second=0, microsecond=0)).total_seconds() / 3600
    expected = Decimal("25.26") * min(624, Decimal(hours)) / 624
    # Allow $0.15 more, for the price of a started hour and for rounding.
    assert expected <= so_far <= min(Decimal("25.26"), expected + Decimal("0.15"))
    dashboard.wait_for_text("computed, not billed", "2020-01-01 00:00:00 UTC", f"{NOW:%B %Y}")
    dashboard.wait(lambda: [len(rows) for rows in tables(dashboard)] == [3, 3])
    lines, sources = tables(dashboard)
    assert lines[0] == ["server cpx22 in nbg1", "24.26", "by the hour", ""]
    assert lines[2] == ["traffic over the included", "2", "as planned", "25 TB expected, 20 TB included"]
    assert sources[0][1] == f"{NOW:%Y-%m-%d %H:%M:%S} UTC"
    assert sources[1:] == [
        ["Prices", "2026-10-07", "the account's price list"],
        ["Exchange rate", "2026-10-28", "1.1133 US dollars per euro, the European Central Bank"],
    ]


def test_unknown_total_and_unknown_age_of_the_server_are_shown_as_unknown(dashboard: Dashboard) -> None:
    lines = (CostLine("server ssh", None, False),)
    reason = "prices of 2026-10-07 are too old"
    plan = replace(PLAN, verdict="unknown", reason=reason, total_usd=None, server_created_at=None, lines=lines)
    show(dashboard, plan)
    dashboard.wait_for_metrics(Planned="unknown", Budget="$50.00")
    dashboard.wait_for_text("Unknown: prices of 2026-10-07 are too old.", "is not known, because the age of the server")
    assert set(dashboard.metrics()) == {"Planned", "Budget"}
    dashboard.wait(lambda: tables(dashboard)[0] == [["server ssh", "", "as planned", ""]])


def test_page_says_that_nothing_is_paid_for_a_local_stack(dashboard: Dashboard) -> None:
    nothing = Decimal("0.00")
    show(
        dashboard,
        replace(PLAN, paid=False, total_usd=nothing, lines=(), prices=None, rate=None, server_created_at=None),
    )
    dashboard.wait_for_metrics(Planned="$0.00", Budget="$50.00", Share_of_the_budget="0%")
    dashboard.wait_for_text("runs on your own machine, so nothing is paid for it", "The plan has no lines")
    assert "so far" not in dashboard.text()


@pytest.mark.parametrize(
    ("content", "words"), [(None, "is not known here"), ('{"budget_usd": 0}', "The plan cannot be read")]
)
def test_missing_or_malformed_plan_is_reported_and_no_figures_are_shown(
    dashboard: Dashboard, content: str | None, words: str
) -> None:
    if content is not None:
        dashboard.published.with_name("cost.json").write_text(content)
    dashboard.open("cost")
    dashboard.wait_for_text(words)
    assert not dashboard.metrics()


@pytest.mark.parametrize("width", [1280, 390])
def test_large_amounts_are_not_cut_and_text_is_not_rendered_as_markup(dashboard: Dashboard, width: int) -> None:
    large = Decimal("123456789.12")
    lines = (CostLine(HOSTILE, large, True, HOSTILE), CostLine("IPv4", large, True))
    plan = replace(PLAN, verdict="over", reason=HOSTILE, total_usd=large * 2, budget_usd=large, lines=lines)
    try:
        set_width(dashboard, width)
        show(dashboard, plan)
        dashboard.wait_for_metrics(Planned="$246,913,578.24", Budget="$123,456,789.12", Share_of_the_budget="200%")
        dashboard.wait(lambda: tables(dashboard)[0][0][0] == f"'{HOSTILE}")
        assert dashboard.browser.execute_script(CUT) == []
        found = dashboard.browser.find_elements(By.CSS_SELECTOR, '[data-testid="stMetric"]')
        assert all(item.rect["x"] + item.rect["width"] <= width for item in found)
        assert not dashboard.browser.find_elements(By.CSS_SELECTOR, 'img[src="x"], a[href*="evil"]')
    finally:
        dashboard.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})

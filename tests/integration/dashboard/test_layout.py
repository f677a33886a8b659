"""Test that amounts are shown completely on a wide screen and on a phone, that axes abbreviate large amounts, and that
amounts have the decimal places of their currency.
"""

from __future__ import annotations

import pytest
from selenium.webdriver.common.by import By

from tests.integration.dashboard.conftest import Dashboard
from tests.kit.warehouse import Warehouse

LARGE = [
    ["1", "2026-01-01", "A", "1216123456.75", "EUR", "fees", ""],
    ["2", "2026-02-01", "A", "-4500000", "EUR", "rent", ""],
    ["3", "2026-02-01", "B", "12.5", "KWD", "fees", ""],
    ["4", "2026-02-01", "B", "1200", "JPY", "fees", ""],
]
CUT = """
    return [...document.querySelectorAll('[data-testid="stMetricValue"], [data-testid="stMetricValue"] *')]
        .filter(part => part.clientWidth > 0 && part.scrollWidth > part.clientWidth + 1)
        .map(part => part.textContent)"""


def set_width(dashboard: Dashboard, width: int) -> None:
    size = {"width": width, "height": 1800, "deviceScaleFactor": 1, "mobile": False}
    dashboard.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


@pytest.mark.parametrize("width", [1280, 390])
def test_amounts_are_complete_and_inside_the_page(dashboard: Dashboard, warehouse: Warehouse, width: int) -> None:
    warehouse.load(LARGE)
    warehouse.dbt("run")
    dashboard.publish(warehouse)
    try:
        set_width(dashboard, width)
        for page, words in (("", "Latest transactions"), ("customers", "All customers")):
            dashboard.open(page)
            dashboard.wait_for_text(words)
            dashboard.wait(lambda: dashboard.metrics().get("Income, EUR") == "1,216,123,456.75")
            assert dashboard.browser.execute_script(CUT) == []
            right = dashboard.browser.find_elements(By.CSS_SELECTOR, '[data-testid="stMetric"]')
            assert all(item.rect["x"] + item.rect["width"] <= width for item in right)
    finally:
        dashboard.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_axes_abbreviate_large_amounts(dashboard: Dashboard, warehouse: Warehouse) -> None:
    warehouse.load(LARGE)
    warehouse.dbt("run")
    dashboard.publish(warehouse)
    dashboard.open()
    dashboard.press("All")
    labels = """
        const roots = [...document.querySelectorAll('[data-testid="stVegaLiteChart"]')];
        return roots.map(root => root.innerHTML + [...root.querySelectorAll('[aria-label]')]
            .map(part => part.getAttribute('aria-label')).join(' ')).join(' ')"""
    dashboard.wait(lambda: " bn" in dashboard.browser.execute_script(labels))
    shown = dashboard.browser.execute_script(labels)
    assert " M" in shown and "G<" not in shown


def test_amounts_have_the_number_of_decimal_places_of_their_currency(
    dashboard: Dashboard, warehouse: Warehouse
) -> None:
    warehouse.load(LARGE)
    warehouse.dbt("run")
    dashboard.publish(warehouse)
    dashboard.open("customers")
    dashboard.wait_for_text("All customers")
    for currency, income in (("KWD", "12.500"), ("JPY", "1,200"), ("EUR", "1,216,123,456.75")):
        dashboard.choose("Currency", currency)
        dashboard.wait_for_metrics(**{f"Income,_{currency}": income})

"""Test filters by customer and category: the figures and the listed rows change, and the rows can be saved."""

from __future__ import annotations

import csv
from pathlib import Path

import pyarrow.parquet as parquet  # type: ignore[import-untyped]
import pytest
from selenium.webdriver.common.by import By

from tests.integration.dashboard.conftest import Dashboard
from tests.integration.dashboard.test_dashboard import HOSTILE
from tests.kit.warehouse import Warehouse

ROWS = [
    ["1", "2026-01-01", "Acme", "100", "EUR", "fees", "=1+1"],
    ["2", "2026-01-02", "Acme", "-30", "EUR", "rent", "office"],
    ["3", "2026-01-03", "Bolt", "7", "EUR", "fees", "call"],
    ["4", "2026-01-03", "Acme", "900", "USD", "fees", "other currency"],
    ["5", "2026-01-04", "O'Brien %' or 1=1 --", "11", "EUR", HOSTILE, "quotes"],
]


@pytest.fixture(autouse=True)
def published(dashboard: Dashboard, warehouse: Warehouse) -> None:
    warehouse.load(ROWS)
    assert set(warehouse.dbt("run").values()) == {"success"}
    dashboard.publish(warehouse)


@pytest.fixture
def saved(dashboard: Dashboard, tmp_path: Path) -> Path:
    behaviour = {"behavior": "allow", "downloadPath": str(tmp_path)}
    dashboard.browser.execute_cdp_cmd("Browser.setDownloadBehavior", behaviour)
    return tmp_path


def test_figures_and_rows_change_with_the_chosen_customer_and_category(dashboard: Dashboard) -> None:
    dashboard.open()
    dashboard.wait_for_metrics(**{"Income,_EUR": "118.00", "Spend,_EUR": "30.00", "Transactions": "4"})
    dashboard.choose("Customers", "Acme")
    dashboard.wait_for_metrics(**{"Income,_EUR": "100.00", "Spend,_EUR": "30.00", "Transactions": "2"})
    dashboard.choose("Categories", "rent")
    dashboard.wait_for_metrics(**{"Income,_EUR": "0.00", "Spend,_EUR": "30.00", "Net,_EUR": "-30.00"})
    dashboard.wait(lambda: [row[0] for row in dashboard.cells()] == ["2"])


def test_filter_value_with_quotes_selects_only_the_matching_rows(dashboard: Dashboard) -> None:
    dashboard.open()
    dashboard.wait_for_metrics(Transactions="4")
    dashboard.choose("Customers", "O'Brien %' or 1=1 --")
    dashboard.wait_for_metrics(**{"Transactions": "1", "Income,_EUR": "11.00"})
    assert not dashboard.browser.find_elements(By.CSS_SELECTOR, 'img[src="x"], a[href*="evil"]')


def test_page_customers_shows_only_transactions_of_the_chosen_customer(dashboard: Dashboard) -> None:
    dashboard.open("customers")
    dashboard.wait_for_text("Transactions of a customer")
    dashboard.choose("Customer", "Bolt")
    tables = (By.CSS_SELECTOR, '[data-testid="stDataFrame"]')
    dashboard.wait(lambda: len(dashboard.browser.find_elements(*tables)) == 2)
    second = "return [...document.querySelectorAll('[data-testid=\"stDataFrame\"]')][1].textContent"
    dashboard.wait(lambda: "call" in dashboard.browser.execute_script(second))
    assert "office" not in dashboard.browser.execute_script(second)


def test_saved_files_have_the_shown_rows_and_only_the_csv_file_escapes_formulas(
    dashboard: Dashboard, saved: Path
) -> None:
    dashboard.open()
    dashboard.choose("Customers", "Acme")
    dashboard.wait_for_metrics(Transactions="2")
    dashboard.press("Save as CSV")
    dashboard.wait(lambda: (saved / "fact_transactions.csv").exists())
    with (saved / "fact_transactions.csv").open(newline="") as file:
        found = list(csv.DictReader(file))
    assert [(row["transaction_id"], row["description"]) for row in found] == [("2", "office"), ("1", "'=1+1")]
    dashboard.press("Save as Parquet")
    dashboard.wait(lambda: (saved / "fact_transactions.parquet").exists())
    table = parquet.read_table(saved / "fact_transactions.parquet")
    assert table.column("description").to_pylist() == ["office", "=1+1"]

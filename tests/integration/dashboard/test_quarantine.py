"""Test that the page "Quarantine" lists, filters and saves rows, with the reason and any setting that helps."""

from __future__ import annotations

import csv
from datetime import timedelta
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from stack_runtime.pipeline.model import Quarantined, Rows
from tests.integration.dashboard.conftest import Dashboard
from tests.integration.dashboard.test_dashboard import HOSTILE, NOW, a_run
from tests.integration.dashboard.test_quality import tables

WHY = "column amount: '1.234' is ambiguous: thousands or decimal places"
SETTING = 'declare decimal: "." or decimal: ","'
OLD, NEW = (f"{NOW + timedelta(days=number):%Y-%m-%d %H:%M:%S} UTC" for number in range(2))


@pytest.fixture
def runs(dashboard: Dashboard) -> None:
    """Record two runs. The newer record lists both of its quarantined rows, the older record only 1 of 1,500."""
    dashboard.records.settle(None)
    old = Quarantined("hours", "old.csv", 3, "key id is empty", ",7")
    dashboard.records.save(a_run(run_id="r1", rows=Rows(2000, 500, 1500), quarantined=(old,)))
    new = (
        Quarantined("transactions", "new.csv", 17, f"{WHY}; {SETTING}", "9,1.234"),
        Quarantined("transactions", HOSTILE, 18, "too few fields", HOSTILE),
    )
    started = NOW + timedelta(days=1)
    dashboard.records.save(a_run(run_id="r2", started_at=started, rows=Rows(9, 7, 2), quarantined=new))


def rows(dashboard: Dashboard) -> list[list[str]]:
    return tables(dashboard)[0]


@pytest.mark.usefixtures("runs")
def test_rows_are_listed_with_reason_and_setting(dashboard: Dashboard) -> None:
    dashboard.open("quarantine")
    dashboard.wait(lambda: len(rows(dashboard)) == 3)
    assert [row[:5] for row in rows(dashboard)] == [
        ["new.csv", "17", WHY, SETTING, "9,1.234"],
        [f"'{HOSTILE}", "18", "too few fields", "", f"'{HOSTILE}"],
        ["old.csv", "3", "key id is empty", "", ",7"],
    ]
    dashboard.wait_for_text("3 rows.", "1 of 1,500 rows are recorded")
    assert not dashboard.browser.find_elements(By.CSS_SELECTOR, 'img[src="x"], a[href*="evil"]')


@pytest.mark.usefixtures("runs")
def test_rows_can_be_filtered_by_run_by_file_and_by_text(dashboard: Dashboard) -> None:
    dashboard.open("quarantine")
    dashboard.choose("Files", "old.csv")
    dashboard.wait(lambda: [row[0] for row in rows(dashboard)] == ["old.csv"])
    dashboard.open("quarantine")
    dashboard.choose("Files", "HYPERLINK")  # the hostile file name is an option of the filter
    dashboard.wait(lambda: [row[1] for row in rows(dashboard)] == ["18"])
    assert not dashboard.browser.find_elements(By.CSS_SELECTOR, 'img[src="x"], a[href*="evil"]')
    dashboard.open("quarantine")
    box = (By.CSS_SELECTOR, 'input[aria-label="Text in reason or row"]')
    dashboard.wait(lambda: dashboard.browser.find_element(*box))
    dashboard.browser.find_element(*box).send_keys("AMBIGUOUS", Keys.ENTER)
    dashboard.wait(lambda: [row[1] for row in rows(dashboard)] == ["17"])
    dashboard.open("quarantine")
    dashboard.choose("Run", OLD)
    dashboard.wait(lambda: [row[0] for row in rows(dashboard)] == ["old.csv"])


@pytest.mark.usefixtures("runs")
def test_saved_file_has_all_rows_and_no_formula(dashboard: Dashboard, tmp_path: Path) -> None:
    behaviour = {"behavior": "allow", "downloadPath": str(tmp_path)}
    dashboard.browser.execute_cdp_cmd("Browser.setDownloadBehavior", behaviour)
    dashboard.open("quarantine")
    dashboard.press("Save as CSV")
    file = tmp_path / "quarantine.csv"
    dashboard.wait(file.is_file)
    with file.open(encoding="utf-8", newline="") as stream:
        header, *body = csv.reader(stream)
    assert header[:2] == ["File", "Line"] and [row[6] for row in body] == [NEW, NEW, OLD]
    assert body[1][0] == body[1][4] == f"'{HOSTILE}" and len(body) == 3
    assert not [cell for row in body for cell in row if cell[:1] in ("=", "+", "-", "@")]


def test_page_says_that_nothing_was_quarantined(dashboard: Dashboard) -> None:
    dashboard.records.settle(None)
    dashboard.records.save(a_run(rows=Rows(5, 5)))
    dashboard.open("quarantine")
    dashboard.wait_for_text("No row was quarantined in the last 8 runs.")

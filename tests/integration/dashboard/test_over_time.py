"""Test that the page "Data quality over time" shows the checks and the shares of quarantined rows of the last runs."""

from __future__ import annotations

from datetime import timedelta

from selenium.webdriver.common.by import By

from stack_runtime.pipeline.model import Check, Rows, Stream
from tests.integration.dashboard.conftest import Dashboard
from tests.integration.dashboard.test_dashboard import HOSTILE, NOW, a_run
from tests.integration.dashboard.test_quality import tables

PAGE = "data-quality-over-time"
BARS = """
    return [...document.querySelectorAll('[data-testid="stVegaLiteChart"] [aria-roledescription="bar"]')]
        .map(mark => mark.getAttribute('aria-label'))"""


def test_chart_shows_the_checks_of_all_runs_and_one_check_can_be_chosen(dashboard: Dashboard) -> None:
    dashboard.records.settle(None)
    for number in range(12):
        check = Check("hours_are_positive", "warn" if number % 2 else "pass", float(number % 2 * 7), 0.0)
        dashboard.records.save(
            a_run(run_id=f"r{number}", started_at=NOW + timedelta(days=number), checks=(check,))
        )  # fmt: skip
    dashboard.open(PAGE)
    dashboard.wait(lambda: len(dashboard.browser.execute_script(BARS)) == 12)
    dashboard.choose("Check", "Hours are positive")
    dashboard.wait(lambda: any("Rows found: 7" in mark for mark in dashboard.browser.execute_script(BARS)))


def test_failed_checks_and_shares_of_quarantined_rows_are_listed(dashboard: Dashboard) -> None:
    dashboard.records.settle(None)
    for number, quarantined in enumerate((0, 1, 50)):
        status = "fail" if number else "pass"
        dashboard.records.save(
            a_run(
                run_id=f"r{number}",
                started_at=NOW + timedelta(days=number),
                checks=(Check("hours_are_positive", status, float(number), 0.0), Check("other", "pass", 0.0, 0.0)),
                streams=(
                    Stream("tap-csv", "raw.hours", Rows(200, 200 - quarantined, quarantined)),
                    Stream("tap-csv", HOSTILE, Rows(10, 10)),
                ),
            )
        )
    dashboard.open(PAGE)
    dashboard.wait_for_text("Failed checks", "Quarantined share of each stream")
    days = [f"{NOW + timedelta(days=number):%Y-%m-%d %H:%M:%S} UTC" for number in range(3)]
    dashboard.wait(lambda: [len(rows) for rows in tables(dashboard)] == [2, 6])
    failed, shares = tables(dashboard)
    assert failed == [[days[number], "Hours are positive", "Failed", str(number), "0"] for number in (2, 1)]
    assert shares[1][:4] == [days[2], "raw.hours", "200", "50"] and float(shares[1][4]) == 0.25
    assert shares[0][1] == f"'{HOSTILE}"
    dashboard.wait_for_text("20%", "raw.hours")  # in the chart: a label of the axis, and an entry of the legend
    assert not dashboard.browser.find_elements(By.CSS_SELECTOR, 'img[src="x"], a[href*="evil"]')


def test_page_says_that_no_run_is_recorded(dashboard: Dashboard) -> None:
    dashboard.open(PAGE)
    dashboard.wait_for_text("No run with checks or rows is recorded yet")

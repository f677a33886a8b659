"""Test that the page "Data quality" shows row counts and refused files of a run, even without the marts of the demo."""

from __future__ import annotations

from pathlib import Path

from selenium.webdriver.common.by import By

from stack_runtime.pipeline.model import Check, Quarantined, Refused, Rows, Stream
from tests.integration.dashboard.conftest import Dashboard
from tests.integration.dashboard.test_dashboard import HOSTILE, a_run
from tests.integration.dashboard.test_explore import publish


def tables(dashboard: Dashboard) -> list[list[list[str]]]:
    """Return the cells of every table on the page."""
    script = """
        return [...document.querySelectorAll('[data-testid="stDataFrame"] [role="grid"]')].map(
            table => [...table.querySelectorAll('tbody tr')].map(
                row => [...row.querySelectorAll('td')].map(cell => cell.textContent)))"""
    found: list[list[list[str]]] = dashboard.browser.execute_script(script)
    return found


def test_row_counts_of_each_stream_and_reasons_of_refused_files_are_shown(dashboard: Dashboard, tmp_path: Path) -> None:
    publish(dashboard, tmp_path, "create table marts.hours as select 1 as hours")
    dashboard.records.settle(None)
    streams = (
        Stream("tap-csv", "raw_data.hours", Rows(1205, 1200, 1, 4)),
        Stream("tap-jsonl", "tap_jsonl.events", Rows(7, 7)),
    )
    dashboard.records.save(
        a_run(
            rows=Rows(1212, 1207, 1, 4),
            streams=streams,
            refused=(Refused("hours", "may.csv", HOSTILE),),
            quarantined=(Quarantined("hours", "hours.csv", 17, "too few fields", HOSTILE),),
            checks=(Check("hours_are_positive", "pass", 0.0, 0.0),),
        )
    )
    dashboard.open("data-quality")
    dashboard.wait_for_text(
        "Rows of each stream", "Refused files", "Quarantined rows of this run: 1. The page Quarantine lists them."
    )
    expected = [
        [
            ["tap-csv", "raw_data.hours", "1205", "1200", "1", "4"],
            ["tap-jsonl", "tap_jsonl.events", "7", "7", "0", "0"],
        ],
        [["may.csv", "hours", f"'{HOSTILE}"]],
    ]  # fmt: skip
    dashboard.wait(lambda: tables(dashboard)[1:] == expected)
    assert not dashboard.browser.find_elements(By.CSS_SELECTOR, 'img[src="x"], a[href*="evil"]')


def test_page_shows_how_many_rows_a_failed_run_quarantined(dashboard: Dashboard) -> None:
    dashboard.records.settle(None)
    row = Quarantined("hours", "hours.csv", 3, "day cannot be read", "x")
    dashboard.records.save(a_run(status="failed", error="too many rows", rows=Rows(1, 0, 1), quarantined=(row,)))
    dashboard.open("data-quality")
    dashboard.wait_for_text(
        "This run ended before the checks.", "This run loaded no stream.", "Quarantined rows of this run: 1."
    )

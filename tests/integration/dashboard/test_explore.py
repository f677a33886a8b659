"""Test a project without the demo's transactions: its marts are on the page "Explore", and its own pages are shown."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import duckdb

from tests.integration.dashboard.conftest import Dashboard
from tests.kit.warehouse import PROJECT


def publish(dashboard: Dashboard, folder: Path, *statements: str) -> None:
    file = folder / "own.duckdb"
    with duckdb.connect(str(file)) as connection:
        connection.execute("create schema marts")
        for statement in statements:
            connection.execute(statement)
    shutil.copy(file, dashboard.published.with_suffix(".new"))
    dashboard.published.with_suffix(".new").replace(dashboard.published)


def test_mart_of_the_users_project_can_be_filtered_and_paged(dashboard: Dashboard, tmp_path: Path) -> None:
    publish(
        dashboard, tmp_path,
        "create table marts.hours as select 'project ' || (i % 3) as project, date '2026-01-01' + i::int as day,"
        " i / 4.0 as hours from range(250) t(i)",
    )  # fmt: skip
    dashboard.open()
    dashboard.wait_for_text("Rows 1 to 100 of 250", "Save as CSV")
    dashboard.choose("Page, of 3", "3")
    dashboard.wait_for_text("Rows 201 to 250 of 250")
    dashboard.choose("Filter by", "project")
    dashboard.choose("project contains", "project 2")
    dashboard.wait_for_text("Rows 1 to 83 of 83")
    assert "Traceback" not in dashboard.text()


def test_project_without_transactions_shows_explore_but_not_cash_flow_and_customers(
    dashboard: Dashboard, tmp_path: Path
) -> None:
    publish(dashboard, tmp_path, "create table marts.hours as select 1 as hours")
    dashboard.open()
    dashboard.wait_for_text("Explore", "Rows 1 to 1 of 1")
    words = dashboard.text()
    assert "Cash flow" not in words and "Customers" not in words
    # Streamlit shows each string that stands alone in a script, such as a docstring: check that none is on the page.
    assert "Page not found" not in words and "folder" not in words.lower()


def test_published_file_without_marts_is_reported(dashboard: Dashboard, tmp_path: Path) -> None:
    publish(dashboard, tmp_path)
    dashboard.open()
    dashboard.wait_for_text("The published data has no marts")


def test_page_in_the_dashboards_folder_of_the_users_project_is_shown(dashboard: Dashboard, tmp_path: Path) -> None:
    """The page is the example in `data_stack/dashboards/README.md`."""
    publish(dashboard, tmp_path, "create table marts.fact_hours as select 'Website' as project, 2.5 as hours")
    readme = PROJECT.parent / "dashboards" / "README.md"
    example = re.findall(r"```python\n(.*?)```", readme.read_text(), re.DOTALL)[0]
    page = dashboard.pages / "hours_of_test.py"
    page.write_text(example)
    try:
        dashboard.open("own-hours_of_test")
        dashboard.wait_for_text("Hours per project", "Your pages")
        dashboard.wait(lambda: dashboard.cells() == [["Website", "2.5"]])
    finally:
        page.unlink()

"""Test that the page "Models" shows the dbt documentation, and runs no script in a column name."""

from __future__ import annotations

import pytest
from selenium.webdriver.common.by import By

from stack_runtime.pipeline.docs import write_docs
from stack_runtime.pipeline.paths import docs_of
from tests.integration.dashboard.conftest import Dashboard
from tests.kit.browser import NETWORK_CHANGED
from tests.kit.warehouse import Warehouse

ROWS = [["1", "2026-01-01", "A", "100", "EUR", "fees", ""]]
HOSTILE = "</script><script>parent.document.title = 'taken'</script><img src=x onerror=alert(1)>"


def frame_text(dashboard: Dashboard) -> str:
    """Return the visible text of the frame with the documentation."""
    browser = dashboard.browser
    try:
        browser.switch_to.frame(browser.find_element(By.CSS_SELECTOR, 'iframe[title="Documentation of the models"]'))
        return browser.find_element(By.TAG_NAME, "body").text
    finally:
        browser.switch_to.default_content()


def open_documentation(dashboard: Dashboard) -> None:
    """Open the page and wait for its frame; reload the page if a change of the machine's network drops requests."""
    seen = len(dashboard.messages())
    dashboard.open("models")

    def is_complete() -> bool:
        nonlocal seen
        new, seen = dashboard.messages()[seen:], len(dashboard.messages())
        if any(NETWORK_CHANGED in text for text in new):
            dashboard.browser.refresh()
        return "Welcome to the auto-generated documentation" in frame_text(dashboard)

    dashboard.wait(is_complete)


def publish(dashboard: Dashboard, warehouse: Warehouse) -> None:
    warehouse.dbt("docs", "generate")
    write_docs(warehouse.target, docs_of(dashboard.published))
    dashboard.publish(warehouse)


@pytest.fixture(autouse=True)
def built(warehouse: Warehouse) -> None:
    warehouse.load(ROWS)
    warehouse.dbt("run")


def test_page_shows_the_descriptions_of_a_model_and_its_columns(dashboard: Dashboard, warehouse: Warehouse) -> None:
    publish(dashboard, warehouse)
    open_documentation(dashboard)
    frame = dashboard.browser.find_element(By.TAG_NAME, "iframe").get_attribute("src")
    dashboard.load(f"{frame}#!/model/model.ai_agent_data_stack.mart_daily_cashflow", "div.app")
    dashboard.wait_for_text("Money in and out per day and currency.", "cashflow_id", "Income minus spend.")


def test_hostile_column_name_is_shown_as_text(dashboard: Dashboard, warehouse: Warehouse) -> None:
    name = HOSTILE.replace('"', '""')
    warehouse.sql(f'alter table raw_data.transactions add column "{name}" varchar')
    publish(dashboard, warehouse)
    assert HOSTILE not in docs_of(dashboard.published).read_text()
    open_documentation(dashboard)
    frame = dashboard.browser.find_element(By.TAG_NAME, "iframe").get_attribute("src")
    dashboard.load(f"{frame}#!/source/source.ai_agent_data_stack.raw_data.transactions", "div.app")
    # Compare the texts without spaces and line breaks, because the page breaks long names into lines.
    dashboard.wait(lambda: "".join(HOSTILE.split()) in "".join(dashboard.text().split()))
    assert dashboard.browser.title != "taken"
    assert not dashboard.browser.find_elements(By.CSS_SELECTOR, 'img[src="x"]')


def test_open_page_shows_the_models_of_a_new_publication(dashboard: Dashboard, warehouse: Warehouse) -> None:
    dashboard.publish(warehouse)
    dashboard.open("models")
    dashboard.wait_for_text("publishes the documentation of the models")
    publish(dashboard, warehouse)
    dashboard.wait(lambda: "Welcome to the auto-generated documentation" in frame_text(dashboard))


def test_damaged_documentation_is_reported_with_the_next_command(dashboard: Dashboard, warehouse: Warehouse) -> None:
    dashboard.publish(warehouse)
    docs_of(dashboard.published).write_text("no page")
    dashboard.open("models")
    dashboard.wait_for_text("The documentation of the models cannot be read", "next: fds run")

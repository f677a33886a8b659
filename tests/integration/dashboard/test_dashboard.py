"""Test that the dashboard shows correct numbers, a hint before the first run, and messages about failures."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from selenium.webdriver.common.by import By

from data_stack.samples import generate
from infra.services.traefik import BURST
from stack_runtime.pipeline.model import Check, Quarantined, Rows, Run, Step
from tests.integration.dashboard.conftest import Dashboard
from tests.kit.warehouse import Warehouse, latest_of

SAMPLE = latest_of(list(generate.records(1200, seed=11, dirty=False)))
TYPES = {"id": "bigint", "date": "date", "amount": "decimal(12, 2)"}
NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
HOSTILE = '=HYPERLINK("http://evil.test")<img src=x onerror=alert(1)>**[bold](http://evil.test)**'


def amounts(currency: str) -> list[Decimal]:
    return [Decimal(str(row[3])) for row in SAMPLE if row[4] == currency]


def a_run(**changes: object) -> Run:
    return Run(**{"run_id": "r1", "started_at": NOW, "finished_at": NOW + timedelta(seconds=12.3),
                  "source": "transactions.csv", "status": "succeeded"} | changes)  # type: ignore[arg-type]  # fmt: skip


def test_metrics_of_each_currency_match_the_loaded_rows(dashboard: Dashboard, warehouse: Warehouse) -> None:
    warehouse.load(SAMPLE, TYPES)
    warehouse.dbt("run")
    dashboard.publish(warehouse)
    dashboard.open()
    dashboard.wait_for_text("Cash flow", "Income by category", "Latest transactions")
    dashboard.press("All")
    for currency, paths in (("EUR", 2), ("JPY", 0)):
        dashboard.choose("Currency", currency)
        income = sum(amount for amount in amounts(currency) if amount > 0)
        spend = -sum(amount for amount in amounts(currency) if amount < 0)
        dashboard.wait_for_metrics(
            **{
                f"Income,_{currency}": f"{income:,.{paths}f}",
                f"Spend,_{currency}": f"{spend:,.{paths}f}",
                f"Net,_{currency}": f"{income - spend:,.{paths}f}",
                "Transactions": f"{len(amounts(currency)):,}",
            }
        )
    dashboard.open("customers")
    dashboard.choose("Currency", "EUR")
    income = sum(amount for amount in amounts("EUR") if amount > 0)
    customers = {row[2] for row in SAMPLE if row[4] == "EUR"}
    dashboard.wait_for_metrics(**{"Customers": str(len(customers)), "Income,_EUR": f"{income:,.2f}"})
    dashboard.wait(lambda: [row[0] for row in dashboard.cells()[:3]] == ["1", "2", "3"])


def test_page_makes_under_a_third_of_the_allowed_requests_if_the_browser_cache_is_empty(
    dashboard: Dashboard, warehouse: Warehouse
) -> None:
    """Visit twice with an empty browser cache; visits with a filled cache need fewer requests."""
    warehouse.load(SAMPLE[:50], TYPES)
    warehouse.dbt("run")
    dashboard.publish(warehouse)
    for _ in range(2):
        dashboard.browser.execute_cdp_cmd("Network.clearBrowserCache", {})
        for page, words in (("", "Latest transactions"), ("customers", "All customers")):
            dashboard.open(page)
            dashboard.wait_for_text(words)
            count = "return performance.getEntriesByType('resource').length + 1"
            assert int(dashboard.browser.execute_script(count)) < BURST / 3


def test_page_cannot_run_added_scripts_or_send_data_to_another_host(dashboard: Dashboard) -> None:
    dashboard.open("about")
    dashboard.wait(lambda: dashboard.browser.find_elements(By.TAG_NAME, "script"))
    tried = """
        const done = arguments[arguments.length - 1];
        window.ran = false;
        const script = document.createElement('script');
        script.textContent = 'window.ran = true';
        document.body.append(script);
        fetch('https://elsewhere.test/').then(() => done('sent'), () => done(window.ran));"""
    assert dashboard.browser.execute_async_script(tried) is False
    refused = dashboard.messages()
    assert any("connect-src" in line for line in refused) and any("script-src" in line for line in refused)
    refused.clear()


def test_page_without_data_shows_a_hint_and_updates_after_publishing(
    dashboard: Dashboard, warehouse: Warehouse
) -> None:
    for page in ("", "customers"):
        dashboard.open(page)
        dashboard.wait_for_text("Nothing is published yet")
    dashboard.open("runs")
    dashboard.wait_for_text("No run is recorded yet")
    dashboard.open()
    dashboard.wait_for_text("Nothing is published yet")
    warehouse.load(SAMPLE[:50], TYPES)
    warehouse.dbt("run")
    dashboard.publish(warehouse)
    dashboard.wait_for_text("Latest transactions")


def test_open_page_shows_a_newly_published_file(dashboard: Dashboard, warehouse: Warehouse) -> None:
    warehouse.load([["1", "2026-01-01", "A", "100", "EUR", "fees", ""]])
    warehouse.dbt("run")
    dashboard.publish(warehouse)
    dashboard.open()
    dashboard.wait_for_metrics(**{"Income,_EUR": "100.00"})
    warehouse.load([["1", "2026-01-01", "A", "250", "EUR", "fees", ""]])
    warehouse.dbt("run")
    dashboard.publish(warehouse)
    dashboard.wait_for_metrics(**{"Income,_EUR": "250.00"})


def test_unreadable_published_file_is_reported_with_the_next_command(dashboard: Dashboard) -> None:
    dashboard.published.write_bytes(b"not a database" * 1000)
    dashboard.open()
    dashboard.wait_for_text("The published data cannot be read", "next: fds run")
    assert "Traceback" not in dashboard.text()


def test_unreadable_run_records_are_reported_without_a_traceback(dashboard: Dashboard) -> None:
    dashboard.records.settle(None)
    (dashboard.published.with_name("warehouse.duckdb.fds") / "runs.sqlite").write_bytes(b"garbage" * 1000)
    dashboard.open("runs")
    dashboard.wait_for_text("The run records cannot be read")
    assert "Traceback" not in dashboard.text()


def test_last_run_is_shown_with_checks_and_quarantined_rows(dashboard: Dashboard, warehouse: Warehouse) -> None:
    rows = [[str(n), "2026-01-01", "A", "5", "EUR", "yoga" if n < 3 else "fees", ""] for n in range(20)]
    warehouse.load(rows)
    warehouse.dbt("run")
    statuses = warehouse.dbt("test")
    checks = tuple(Check(name, status, 3.0 if status == "warn" else 0.0, 0.0) for name, status in statuses.items())
    dashboard.publish(warehouse)
    dashboard.records.settle(None)
    dashboard.records.save(
        a_run(
            rows=Rows(21, 20, 1),
            checks=checks,
            steps=(Step("extract_load", 7.1), Step("publish", 0.4)),
            quarantined=(Quarantined("transactions", "transactions.csv", 17, "too few fields", HOSTILE),),
        )
    )
    dashboard.open("data-quality")
    dashboard.wait_for_metrics(Passed=str(len(checks) - 1), Warned="1", Failed="0")
    dashboard.wait_for_text("Rows behind the warnings", "succeeded, 12.3 s")
    dashboard.wait(lambda: dashboard.cells()[0] == ["Warned", "Category is known", "3", "0"])
    dashboard.open("runs")
    dashboard.wait_for_metrics(Result="Succeeded", Rows_read="21", Loaded="20", Quarantined="1")
    dashboard.wait(lambda: dashboard.cells() == [["Extract load", "7.1"], ["Publish", "0.4"]])


def test_failed_run_shows_its_error_and_keeps_the_old_data(dashboard: Dashboard, warehouse: Warehouse) -> None:
    warehouse.load(SAMPLE[:50], TYPES)
    warehouse.dbt("run")
    dashboard.publish(warehouse)
    dashboard.records.settle(None)
    dashboard.records.save(a_run(status="failed", error="check amounts_are_readable failed, nothing was published"))
    dashboard.open("runs")
    dashboard.wait_for_text("Check amounts_are_readable failed, nothing was published.")
    dashboard.open("data-quality")
    dashboard.wait_for_text("This run ended before the checks.")
    dashboard.open()
    dashboard.wait_for_text("Latest transactions")


def test_hostile_text_is_shown_as_text(dashboard: Dashboard, warehouse: Warehouse) -> None:
    days = ("0001-01-01", "9999-12-31", "2026-01-01")
    rows = [[f"{HOSTILE}{n}", days[n % 3], HOSTILE, "7", HOSTILE, HOSTILE, HOSTILE] for n in range(9)]
    warehouse.load([*rows, ["1", "2026-01-02", "A", "5", HOSTILE, "fees", "\n\u202e"]])
    assert set(warehouse.dbt("run").values()) == {"success"}
    dashboard.publish(warehouse)
    for page, words in (("", "Latest transactions"), ("customers", "All customers")):
        dashboard.open(page)
        dashboard.wait_for_text(words)
        # Search in upper case: the hostile text is also the currency of these rows, and labels of metrics show the
        # currency in upper case.
        dashboard.wait(lambda: HOSTILE.upper() in dashboard.text().replace("\u2060", ""))
        assert not dashboard.browser.find_elements(By.CSS_SELECTOR, 'img[src="x"], a[href*="evil"], a[href*="EVIL"]')
    dashboard.wait(lambda: f"'{HOSTILE}" in [cell for row in dashboard.cells() for cell in row])

"""Test the marts of the sample, of unusual files and of corrected rows, and the checks that report a broken file."""

import csv
import shutil
from collections import defaultdict
from datetime import UTC, datetime
from decimal import Decimal, localcontext
from pathlib import Path

import duckdb
import pytest

from data_stack.samples import generate
from tests.kit.warehouse import PROJECT, Warehouse, latest_of

MARTS = ("fact_transactions", "dim_customers", "mart_customer_metrics", "mart_daily_cashflow")
SAMPLE = list(generate.records(1500, seed=3, dirty=False))
TYPED = {"id": "bigint", "date": "date", "amount": "decimal(12, 2)"}


def marts(warehouse: Warehouse) -> dict[str, list[tuple[object, ...]]]:
    return {name: sorted(warehouse.sql(f"select * from marts.{name}"), key=repr) for name in MARTS}


def test_marts_of_the_sample_equal_sums_computed_in_python(warehouse: Warehouse) -> None:
    rows = latest_of(SAMPLE)
    warehouse.load(rows, TYPED)
    assert set(warehouse.dbt("build").values()) <= {"success", "pass", "no-op"}

    daily: dict[tuple[str, str], list[Decimal]] = defaultdict(lambda: [Decimal(0), Decimal(0)])
    customers: dict[tuple[str, str], list[Decimal]] = defaultdict(lambda: [Decimal(0), Decimal(0)])
    for _, day, customer, amount, currency, _, _ in rows:
        for sums in (daily[day, currency], customers[customer, currency]):
            sums[Decimal(amount) < 0] += abs(Decimal(amount))
    assert daily == {
        (str(day), currency): [income, spend]
        for day, currency, income, spend in warehouse.sql(
            "select transaction_date, currency, income, spend from marts.mart_daily_cashflow"
        )
    }
    assert customers == {
        (customer, currency): [income, spend]
        for customer, currency, income, spend in warehouse.sql(
            "select customer_id, currency, income, spend from marts.mart_customer_metrics"
        )
    }
    facts = warehouse.sql(
        "select transaction_id, cast(transaction_date as varchar), customer_id, amount, currency, category, "
        "description from marts.fact_transactions"
    )
    assert sorted(facts) == sorted((*row[:3], Decimal(row[3]), *row[4:]) for row in rows)


def test_marts_of_an_incremental_run_equal_the_marts_of_a_full_refresh(warehouse: Warehouse) -> None:
    warehouse.load(latest_of(SAMPLE), TYPED)
    warehouse.dbt("build")
    for change in (
        "update raw_data.transactions set amount = amount + 1, description = 'corrected' where id % 50 = 0",
        "update raw_data.transactions set category = null where id % 70 = 0",
        "delete from raw_data.transactions where id % 90 = 0",
        # Insert a late row: its date and its time of extraction are older than those of rows in the marts.
        "insert into raw_data.transactions values (1, '2020-02-29', 'late', 5, 'EUR', 'fees', '', '2025-01-01')",
        # Insert rows with existing keys again, as after a loader that only appends.
        "insert into raw_data.transactions select * replace (amount * 2 as amount, timestamp '2026-02-01' as "
        "_sdc_extracted_at) from raw_data.transactions where id % 40 = 0",
    ):
        warehouse.sql(change)
    warehouse.dbt("build")
    incremental = marts(warehouse)
    assert [row[4] for row in incremental["fact_transactions"] if row[0] == "1"] == ["EUR"]
    assert sum(row[7] == "corrected" for row in incremental["fact_transactions"]) > 20
    warehouse.dbt("build", "--full-refresh")
    assert marts(warehouse) == incremental


def test_second_run_without_new_rows_changes_nothing(warehouse: Warehouse) -> None:
    warehouse.load(latest_of(SAMPLE)[:300])
    warehouse.dbt("build")
    before = marts(warehouse)
    warehouse.dbt("build")
    assert marts(warehouse) == before


def test_choice_among_rows_with_the_same_key_does_not_depend_on_their_order(warehouse: Warehouse) -> None:
    same_key = [["1", "2026-01-01", "A", str(n), "EUR", "fees", f"n{n}"] for n in (3, 9, 5)]
    results = []
    for rows in (same_key, same_key[::-1]):
        warehouse.load(rows)
        warehouse.dbt("build", "--full-refresh")
        results.append(marts(warehouse))
    assert results[0] == results[1]


def test_unusual_values_give_warnings_and_no_row_is_lost(warehouse: Warehouse) -> None:
    rows: list[list[str | None]] = [
        [f"k{n}", "2026-03-01", f"c{n % 7}", f"{n}.25", "eur", "Yoga ", "fine"] for n in range(60)
    ]
    rows += [
        ["k-late", "1999-12-31 23:59:59", None, "-3", "BTC", None, None],
        ["k-\"; drop table x;--", "2026-03-02", "Ünï'cödé\n", "0.0001", "", "", "=HYPERLINK(\"x\")"],
        ["k-bad-amount", "2026-03-02", "c1", "12O.5O", "EUR", "fees", "{{ 1 }}"],
        ["k-bad-date", "soon", "c1", "7", "EUR", "fees", "<script>alert(1)</script>"],
        [" k1", "2026-03-02", "c1", "1e400", "EURO", "fees", "\x00 nul"],
    ]  # fmt: skip
    warehouse.load(rows, extracted_at=None)
    statuses = warehouse.dbt("build")
    warned = {name for name, status in statuses.items() if status == "warn"}
    assert warned == {
        "every_transaction_has_an_amount", "every_transaction_has_a_date", "category_is_known",
        "currency_is_in_iso_4217",
    }  # fmt: skip
    assert set(statuses.values()) <= {"success", "pass", "warn", "no-op"}
    assert warehouse.sql("select count(*) from marts.fact_transactions") == [(len(rows),)]
    totals = dict(warehouse.sql("select currency, sum(net) from marts.mart_customer_metrics group by currency"))
    assert totals == {
        "EUR": sum(Decimal(f"{n}.25") for n in range(60)) + 7, "BTC": -3, "XXX": Decimal("0.0001"), "EURO": 0,
    }  # fmt: skip
    found = warehouse.sql("select description from marts.fact_transactions where transaction_id like 'k-bad%'")
    assert sorted(found) == [("<script>alert(1)</script>",), ("{{ 1 }}",)]


def test_empty_table_gives_empty_marts(warehouse: Warehouse) -> None:
    warehouse.load([["1", "2026-01-01", "A", "1", "EUR", "fees", ""]])
    warehouse.sql("delete from raw_data.transactions")
    assert set(warehouse.dbt("build").values()) <= {"success", "pass", "no-op"}
    assert marts(warehouse) == {name: [] for name in MARTS}


@pytest.mark.parametrize(
    ("column", "value", "check"),
    [
        (0, None, "raw_transaction_has_an_id"),
        (1, "31.12.2025", "dates_are_readable"),
        (3, "1.234,56 €", "amounts_are_readable"),
        (4, "Euro", "currencies_are_codes"),
    ],
)
def test_invalid_values_in_a_column_fail_the_check_of_the_column(
    warehouse: Warehouse, column: int, value: str | None, check: str
) -> None:
    rows: list[list[str | None]] = [[f"k{n}", "2026-03-01", "c", "1.5", "EUR", "fees", ""] for n in range(40)]
    for row in rows[:10] if column else rows[:1]:
        row[column] = value
    warehouse.load(rows)
    assert warehouse.dbt("build")[check] == "fail"
    assert warehouse.sql(f"select count(*) from checks.{check}") != [(0,)]


def test_copied_database_file_has_readable_staging_and_mart_tables(warehouse: Warehouse, tmp_path: Path) -> None:
    warehouse.load(latest_of(SAMPLE)[:50])
    warehouse.dbt("build")
    copy = shutil.copy(warehouse.path, tmp_path / "published.duckdb")
    with duckdb.connect(str(copy), read_only=True) as connection:
        for name in ("staging.stg_transactions", "marts.fact_transactions"):
            assert connection.sql(f"select count(*) from {name}").fetchall() == [(50,)]


@pytest.mark.parametrize("extracted_at", ["2020-01-01", None])
def test_source_without_recent_rows_fails_the_freshness_check(warehouse: Warehouse, extracted_at: str | None) -> None:
    rows = [["1", "2020-01-01", "A", "1", "EUR", "fees", ""], ["2", "2199-01-01", "A", "1", "EUR", "fees", ""]]
    warehouse.load(rows, extracted_at=extracted_at)
    warehouse.dbt("run")
    assert warehouse.dbt("source", "freshness") == {"transactions": "error"}
    warehouse.load([["1", str(datetime.now(UTC).date()), "A", "1", "EUR", "fees", ""]], extracted_at=None)
    warehouse.dbt("run")
    assert warehouse.dbt("source", "freshness") == {"transactions": "pass"}


def test_committed_sample_fails_no_check_and_warns_only_about_missing_amounts_and_dates(warehouse: Warehouse) -> None:
    with (PROJECT.parent / "samples" / "transactions.csv").open(encoding="utf-8", newline="") as stream:
        whole = [row for row in list(csv.reader(stream))[1:] if len(row) == 7 and row[0]]
    warehouse.load(latest_of([tuple(row) for row in whole]))
    statuses = warehouse.dbt("build")
    assert {name for name, status in statuses.items() if status == "warn"} == {
        "every_transaction_has_an_amount", "every_transaction_has_a_date",
    }  # fmt: skip
    assert set(statuses.values()) <= {"success", "pass", "warn", "no-op"}


@pytest.mark.parametrize(
    "amount",
    [
        "1234567890123456789.123456789012345678",
        *(pytest.param(small, marks=pytest.mark.slow) for small in ("0.00014884", "-0.000000000000000001")),
    ],
)
def test_amounts_are_never_rounded(warehouse: Warehouse, amount: str) -> None:
    """Start with a table of an earlier release, whose amounts had four decimal places."""
    rows: list[list[str | None]] = [["k1", "2026-01-01", "A", "1.25", "BTC", "fees", ""]]
    warehouse.load(rows, {"amount": "decimal(18, 4)"})
    warehouse.dbt("build", "--full-refresh")
    warehouse.sql("alter table marts.fact_transactions alter amount type decimal(18, 4)")
    rows.append(["k2", "2026-01-01", "A", amount, "BTC", "fees", ""])
    for types in ({"amount": "decimal(38, 18)"}, {}):  # decimal amounts, as the tap loads them, and amounts as text
        warehouse.load(rows, types)
        assert set(warehouse.dbt("build").values()) <= {"success", "pass", "warn", "no-op"}
        found = dict(warehouse.sql("select transaction_id, amount from marts.fact_transactions"))
        assert found == {"k1": Decimal("1.25"), "k2": Decimal(amount)}
        with localcontext(prec=50):
            for mart in ("mart_daily_cashflow", "mart_customer_metrics"):
                assert warehouse.sql(f"select net from marts.{mart}") == [(Decimal("1.25") + Decimal(amount),)]

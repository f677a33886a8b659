"""Test that the page "Cash flow" says what it leaves out, and that saved transactions have their currency."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from data_stack.streamlit import downloads
from data_stack.streamlit.views import transactions
from data_stack.streamlit.views.transactions import Scope
from tests.integration.marts.conftest import published

TRANSACTIONS = """create table marts.fact_transactions as
select 'T' || i as transaction_id, date '2026-01-01' + cast(i as int) as transaction_date, 'C1' as customer_id,
    'category ' || (i % {categories}) as category, '' as description, 100 as amount, 'EUR' as currency, 'in' as flow
from range(24) t(i)"""
CASHFLOW = "create table marts.mart_daily_cashflow as from marts.fact_transactions"
CUSTOMERS = "create table marts.mart_customer_metrics as select 'EUR' as currency, 24 as transactions"


def _page() -> None:
    from data_stack.streamlit import warehouse
    from data_stack.streamlit.views import cashflow

    found = warehouse.version()
    assert found is not None
    cashflow.show(found)


@pytest.mark.parametrize(
    ("categories", "undated", "captions"),
    [
        (10, "false", []),
        (12, "false", ["The 10 largest of 12 categories."]),
        (
            10,
            "transaction_id = 'T5'",
            ["Transactions without a date from 1900 to 2200, which are not on this page: 1."],
        ),
    ],
)
def test_page_says_what_it_leaves_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, categories: int, undated: str, captions: list[str]
) -> None:
    undate = f"update marts.fact_transactions set transaction_date = null where {undated}"
    published(tmp_path, monkeypatch, TRANSACTIONS.format(categories=categories), undate, CASHFLOW, CUSTOMERS)
    page = AppTest.from_function(_page, default_timeout=60).run()
    assert not page.exception
    shown = [str(caption.value) for caption in page.caption]
    assert [caption for caption in shown if caption.startswith(("The 10", "Transactions"))] == captions


def test_saved_transactions_have_their_currency(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved: list[bytes] = []
    monkeypatch.setattr(downloads, "buttons", lambda selection, count: saved.append(downloads.as_csv(selection)))
    version = published(tmp_path, monkeypatch, TRANSACTIONS.format(categories=1))
    transactions.show(version, Scope("EUR"))
    header, first, *_ = saved[0].decode().splitlines()
    assert header.split(",")[-2:] == ["amount", "currency"] and first.split(",")[-2:] == ["100", "EUR"]

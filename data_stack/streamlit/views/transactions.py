"""Show the transactions from which a page computes its amounts, filtered by customer and category."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import streamlit as st

from data_stack.streamlit import downloads, formatting, marts
from data_stack.streamlit.marts import Filter, Selection
from data_stack.streamlit.warehouse import ROW_CAP, Version, rows

MART = "fact_transactions"
_TITLES = {
    "transaction_id": "Transaction",
    "transaction_date": "Date",
    "customer_id": "Customer",
    "category": "Category",
    "description": "Description",
    "amount": "Amount",
}

_MOST_FREQUENT = """
select {column} as value from marts.fact_transactions
where currency = ? group by {column} order by count(*) desc, {column} limit ?
"""


@dataclass(frozen=True)
class Scope:
    """Transactions of one currency. An empty tuple selects all customers or categories; a day of None sets no bound."""

    currency: str
    customers: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    first: date | None = None
    last: date | None = None


def select_customers_and_categories(published: Version, currency: str) -> Scope:
    """Show the filters and return the selected values. The most frequent values are listed; others can be typed."""
    left, right = st.columns(2)
    with left:
        customers = _choose(published, "Customers", "customer_id", currency)
    with right:
        categories = _choose(published, "Categories", "category", currency)
    return Scope(currency, customers, categories)


def _choose(published: Version, title: str, column: str, currency: str) -> tuple[str, ...]:
    found = rows(published, _MOST_FREQUENT.format(column=column), (currency, ROW_CAP))
    chosen = st.multiselect(
        title, [row["value"] for row in found], key=f"{title} {currency}", placeholder="All",
        format_func=formatting.text, accept_new_options=True,
    )  # fmt: skip
    return tuple(chosen)


def show(published: Version, scope: Scope) -> None:
    """Show the transactions of `scope`, newest first, with buttons to save them."""
    columns = {column.name: column for column in marts.columns(published, MART)}
    filters = (
        Filter(columns["currency"], any_of=(scope.currency,)),
        Filter(columns["customer_id"], any_of=scope.customers),
        Filter(columns["category"], any_of=scope.categories),
        Filter(columns["transaction_date"], least=scope.first, most=scope.last),
    )
    saved = [columns[name] for name in (*_TITLES, "currency")]
    selection = Selection(MART, saved, filters, columns["transaction_date"], True)
    count = selection.count(published)
    titles = _TITLES | {"amount": f"Amount, {formatting.plain(scope.currency)}"}
    formatting.table(
        selection.page(published, 1, ROW_CAP), titles, {"amount": formatting.number_format(scope.currency)}, total=count
    )
    downloads.buttons(selection, count)

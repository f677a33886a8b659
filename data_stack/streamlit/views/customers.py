"""Show customers ranked by income, one currency at a time."""

from __future__ import annotations

import streamlit as st

from data_stack.streamlit import charts, downloads, formatting, marts
from data_stack.streamlit.marts import Filter, Selection
from data_stack.streamlit.views import transactions
from data_stack.streamlit.views.frame import currency_selector, figures
from data_stack.streamlit.views.transactions import Scope
from data_stack.streamlit.warehouse import ROW_CAP, Row, Version, rows

_TOP = 12
_MART = "mart_customer_metrics"

_CUSTOMERS = """
select customer_id, income, spend, net, transactions, income_rank,
    first_transaction_date, last_transaction_date,
    count(*) over () as all_rows, sum(income) over () as all_income
from marts.mart_customer_metrics
where currency = ? order by income_rank limit ?
"""


def show(published: Version) -> None:
    """Show the page."""
    currency = currency_selector(published)
    if currency is None:
        return
    customers = rows(published, _CUSTOMERS, (currency, ROW_CAP))
    best = customers[0]
    share = best["income"] / best["all_income"] if best["all_income"] else 0
    figures(
        {
            "Customers": f"{best['all_rows']:,}",
            f"Income, {formatting.plain(currency)}": formatting.money(best["all_income"], currency),
            "Largest customer": f"{share:.0%} of income",
        }
    )
    paying = [row for row in customers[:_TOP] if row["income"]]
    if paying:
        st.subheader(f"Top {len(paying)} by income")
        st.altair_chart(charts.ranking(paying, "customer_id", "income", currency, charts.INCOME), width="stretch")
    st.subheader("All customers")
    titles = {
        "income_rank": "Rank",
        "customer_id": "Customer",
        "income": f"Income, {formatting.plain(currency)}",
        "spend": "Spend",
        "net": "Net",
        "transactions": "Transactions",
        "first_transaction_date": "First",
        "last_transaction_date": "Last",
    }
    formats = dict.fromkeys(("income", "spend", "net"), formatting.number_format(currency))
    formats |= dict.fromkeys(("income_rank", "transactions"), "%,d")
    formatting.table(customers, titles, formats, total=best["all_rows"])
    downloads.buttons(_selection(published, currency, list(titles)), best["all_rows"])
    _transactions(published, currency, customers)


def _selection(published: Version, currency: str, names: list[str]) -> Selection:
    """Return the selection of all customers of a currency, to save them to a file."""
    columns = {column.name: column for column in marts.columns(published, _MART)}
    of_currency = Filter(columns["currency"], any_of=(currency,))
    return Selection(_MART, [columns[name] for name in (*names, "currency")], [of_currency], columns["income_rank"])


def _transactions(published: Version, currency: str, customers: list[Row]) -> None:
    """Show the transactions of a chosen customer. Customers with the highest income are listed; others can be typed."""
    st.subheader("Transactions of a customer")
    chosen = st.selectbox(
        "Customer", [row["customer_id"] for row in customers], None, key=f"customer {currency}",
        format_func=formatting.text, accept_new_options=True,
    )  # fmt: skip
    if chosen:
        transactions.show(published, Scope(currency, (chosen,)))

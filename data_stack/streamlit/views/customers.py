"""Show customers ranked by income, one currency at a time."""

from __future__ import annotations

import streamlit as st

from data_stack.streamlit import charts, formatting
from data_stack.streamlit.views.frame import currency_selector
from data_stack.streamlit.warehouse import ROW_CAP, Version, rows

_TOP = 12

_CUSTOMERS = """
select customer_id, income, spend, net, transactions, income_rank,
    cast(first_transaction_date as varchar) as first_day, cast(last_transaction_date as varchar) as last_day,
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
    figures = (
        ("Customers", f"{best['all_rows']:,}"),
        (f"Income, {formatting.plain(currency)}", formatting.money(best["all_income"], currency)),
        ("Largest customer", f"{share:.0%} of income"),
    )
    for column, (label, value) in zip(st.columns(3), figures, strict=True):
        column.metric(label, value, border=True)
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
        "first_day": "First",
        "last_day": "Last",
    }
    formats = dict.fromkeys(("income", "spend", "net"), formatting.number_format(currency))
    formats |= dict.fromkeys(("income_rank", "transactions"), "%,d")
    formatting.table(customers, titles, formats, total=best["all_rows"])

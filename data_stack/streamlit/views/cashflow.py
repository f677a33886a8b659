"""Show income and spend over time, one currency at a time: amounts of different currencies are never added."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import streamlit as st

from data_stack.streamlit import charts, formatting
from data_stack.streamlit.views import transactions
from data_stack.streamlit.views.frame import currency_selector, figures
from data_stack.streamlit.views.transactions import Scope, select_customers_and_categories
from data_stack.streamlit.warehouse import Row, Version, rows

CATEGORIES = 10
"""Maximum number of categories in a chart."""
PERIODS = {"3 months": 91, "12 months": 365, "All": None}

_PLAUSIBLE = "transaction_date between date '1900-01-01' and date '2200-12-31'"
"""SQL condition for the dates that the page shows; others would stretch the time axis."""
_SPAN = f"""
select min(transaction_date) as first_day, max(transaction_date) as last_day,
    max(transaction_date) filter (where transaction_date <= current_date) as today_or_before
from marts.mart_daily_cashflow
where currency = ? and {_PLAUSIBLE}
"""
_UNDATED = f"""
select count(*) as transactions from marts.fact_transactions
where currency = ? and ({_PLAUSIBLE}) is not true
"""
_SCOPE = """
from marts.fact_transactions
where currency = ? and transaction_date between ? and ?
    and (len(?) = 0 or customer_id = any(?)) and (len(?) = 0 or category = any(?))
"""
_OVER_TIME = f"""
select strftime(date_trunc(?, transaction_date), ?) as period,
    coalesce(sum(amount) filter (where flow = 'in'), 0) as income,
    coalesce(-sum(amount) filter (where flow = 'out'), 0) as spend,
    coalesce(sum(amount), 0) as net, count(*) as transactions
{_SCOPE} group by period order by period
"""
_BY_CATEGORY = f"""
select category, sum(abs(amount)) as amount, count(*) over () as all_rows
{_SCOPE} and flow = ?
group by category order by amount desc, category limit {CATEGORIES}
"""


@dataclass(frozen=True)
class _Window:
    first: date
    last: date

    @property
    def grain(self) -> str:
        """Return the period that one bar of the chart stands for, such as `week`."""
        days = (self.last - self.first).days
        return "day" if days <= 45 else "week" if days <= 200 else "month" if days <= 3660 else "year"

    @property
    def label_format(self) -> str:
        """Return the date format of the labels below the bars."""
        return {"month": "%Y-%m", "year": "%Y"}.get(self.grain, "%Y-%m-%d")


def show(published: Version) -> None:
    """Show the page."""
    currency = currency_selector(published)
    if currency is None:
        return
    chosen = st.segmented_control("Period", list(PERIODS), default="12 months", key="period") or "12 months"
    window = _window(rows(published, _SPAN, (currency,))[0], PERIODS[chosen])
    if window is None:
        st.info("No transaction of this currency has a date.")
        return
    scope = replace(select_customers_and_categories(published, currency), first=window.first, last=window.last)
    over_time = rows(published, _OVER_TIME, (window.grain, window.label_format, *_values(scope)))
    _figures(over_time, currency)
    st.caption(f"{window.first:%-d %B %Y} to {window.last:%-d %B %Y}, by {window.grain}.")
    if undated := rows(published, _UNDATED, (currency,))[0]["transactions"]:
        st.caption(f"Transactions without a date from 1900 to 2200, which are not on this page: {undated:,}.")
    st.altair_chart(charts.cashflow(over_time, currency), width="stretch")
    _categories(published, scope)
    st.subheader("Latest transactions")
    transactions.show(published, scope)


def _values(scope: Scope) -> tuple[Any, ...]:
    """Return the parameters of the SQL text `_SCOPE` for `scope`."""
    chosen = [list(values) for values in (scope.customers, scope.categories)]
    return scope.currency, scope.first, scope.last, *(values for values in chosen for _ in range(2))


def _window(span: Row, days: int | None) -> _Window | None:
    """Return a window of at most the last `days` days, or of all days if `days` is None; None if no date is plausible.

    A window of the last days ends with the last transaction that is not in the future, if there is one. Otherwise, one
    mistyped year would move the window away from all other transactions. It begins with a whole week or month, so that
    the first bar is complete.
    """
    if span["first_day"] is None:
        return None
    if days is None:
        return _Window(span["first_day"], span["last_day"])
    last = span["today_or_before"] or span["last_day"]
    if days > 300:
        months = last.year * 12 + last.month - 1 - 11  # 11 months before the month of the last day
        first = date(months // 12, months % 12 + 1, 1)
    else:
        first = last - timedelta(days=days)
        first += timedelta(days=-first.weekday() % 7)
    return _Window(max(span["first_day"], first), last)


def _figures(over_time: list[Row], currency: str) -> None:
    income, spend, net = (sum((row[key] for row in over_time), Decimal(0)) for key in ("income", "spend", "net"))
    count = sum(row["transactions"] for row in over_time)
    unit = formatting.plain(currency)
    figures(
        {
            f"Income, {unit}": formatting.money(income, currency),
            f"Spend, {unit}": formatting.money(spend, currency),
            f"Net, {unit}": formatting.money(net, currency),
            "Transactions": f"{count:,}",
        }
    )


def _categories(published: Version, scope: Scope) -> None:
    sides = (("Income", "in", charts.INCOME), ("Spend", "out", charts.SPEND))
    for column, (title, flow, colour) in zip(st.columns(2), sides, strict=True):
        found = rows(published, _BY_CATEGORY, (*_values(scope), flow))
        column.subheader(f"{title} by category")
        if found:
            column.altair_chart(charts.ranking(found, "category", "amount", scope.currency, colour), width="stretch")
            if found[0]["all_rows"] > len(found):
                column.caption(f"The {len(found)} largest of {found[0]['all_rows']:,} categories.")
        else:
            column.caption("None in this period.")

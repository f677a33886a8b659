"""Show the plan of the last deployment against its budget, and what the current month costs."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import streamlit as st

from data_stack.streamlit import charts, formatting, month
from data_stack.streamlit.views.frame import figures
from stack_runtime import planned_cost
from stack_runtime.planned_cost import PlannedCost, Source

CURRENCY = "USD"


def path() -> Path:
    """Return the path of the plan: `FDS_PLANNED_COST`, by default its path in the container."""
    return Path(os.environ.get("FDS_PLANNED_COST", f"/data/metrics/{planned_cost.FILE}"))


def show() -> None:
    """Show the page."""
    plan = planned_cost.read(path())
    if plan is None:
        st.info("The plan of this stack is not known here. `fds up` delivers it.", icon=":material/hourglass_empty:")
        return
    _against_budget(plan)
    if plan.paid:
        _month(plan)
    _lines(plan)
    _sources(plan)


def _against_budget(plan: PlannedCost) -> None:
    """Show the planned total (`unknown` if it is None), the budget, and the reason if the verdict is not `within`."""
    total, budget = plan.total_usd, plan.budget_usd
    shown = {"Planned": "unknown" if total is None else _usd(total), "Budget": _usd(budget)}
    if total is not None:
        shown["Left of the budget"] = _usd(budget - total)
        shown |= {"Share of the budget": f"{total / budget:.0%}"} if budget else {}
    st.subheader("Planned for a month")
    figures(shown)
    if plan.verdict == "within":
        text = "All amounts are in US dollars, " + ("with tax." if plan.tax == "gross" else "without tax.")
        st.caption(text if plan.paid else f"This stack runs on your own machine, so nothing is paid for it. {text}")
    else:
        st.error(formatting.sentence(f"{plan.verdict.replace('_', ' ')}: {plan.reason}"), icon=":material/error:")


def _month(plan: PlannedCost) -> None:
    now = datetime.now(UTC)
    st.subheader(f"{now:%B %Y}")
    found = month.current(plan, now)
    if found is None or plan.server_created_at is None:
        st.info(
            "What this month has cost so far is not known, because the age of the server or a price is not known. "
            "The cost of a whole month is the planned total above.",
            icon=":material/info:",
        )
        return
    figures({"Paid by the hour, so far": _usd(found.so_far_usd), "Forecast for the month": _usd(found.forecast_usd)})
    text = (
        "These figures are computed, not billed. They use the planned prices, and assume that everything paid by the "
        f"hour has existed since the server was created ({formatting.timestamp(plan.server_created_at)}). They do not "
        "include resources that were changed or deleted earlier in the month. "
    )
    if any(not line.by_the_hour for line in plan.lines):
        text += "Lines that are not paid by the hour are only in the forecast, as planned. "
    st.caption(text + "`fds cost --actual` shows the resources in the account.")


def _lines(plan: PlannedCost) -> None:
    st.subheader("Lines of the plan")
    if not plan.lines:
        st.caption("The plan has no lines, because nothing is paid for.")
        return
    rows = [
        {
            "resource": line.resource,
            "monthly": line.monthly_usd,
            "paid": "by the hour" if line.by_the_hour else "as planned",
            "note": line.note,
        }
        for line in plan.lines
    ]
    priced = [row for row in rows if row["monthly"]]
    if len(priced) > 1:
        st.altair_chart(charts.ranking(priced, "resource", "monthly", CURRENCY, charts.SPEND), width="stretch")
    titles = {"resource": "Line", "monthly": "USD a month", "paid": "Paid", "note": "Note"}
    formatting.table(rows, titles, {"monthly": formatting.number_format(CURRENCY)})


def _sources(plan: PlannedCost) -> None:
    """Show the dates and sources of the plan, its prices and its exchange rate."""
    st.subheader("Where the figures are from")
    rows = [{"what": "Plan", "date": formatting.timestamp(plan.deployed_at), "source": "the last deployment"}]
    rows += [_source("Prices", plan.prices), _source("Exchange rate", plan.rate)] if plan.paid else []
    formatting.table(rows, {"what": "Figure", "date": "Date", "source": "Source"})
    st.caption(
        "Prices and rate can change after a deployment. `fds cost` uses those of today, and `fds up` updates this page."
    )


def _source(what: str, found: Source | None) -> dict[str, str]:
    missing = Source("–", "not used by this plan, or not known")
    return {"what": what, **vars(found or missing)}


def _usd(amount: Decimal) -> str:
    return f"${formatting.money(amount, CURRENCY)}"

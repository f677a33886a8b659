"""What the pages share: choosing a currency and a run, and the line that says how fresh the data is."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from data_stack.streamlit import records, shown
from data_stack.streamlit.warehouse import ROW_CAP, Version, published_at, rows, version
from stack_runtime.errors import StackError
from stack_runtime.pipeline.model import Run

_CURRENCIES = """
select currency, sum(transactions) as transactions from marts.mart_customer_metrics
group by currency order by transactions desc, currency limit ?
"""


def currency_selector(of: Version) -> str | None:
    """The chosen currency; the one with most transactions at first. None when there are no transactions."""
    found = [row["currency"] for row in rows(of, _CURRENCIES, (ROW_CAP,))]
    if not found:
        st.info("The published data has no transactions.")
        return None
    kept = st.session_state.get("chosen_currency")
    chosen = st.sidebar.selectbox(
        "Currency", found, index=found.index(kept) if kept in found else 0, format_func=shown.text,
        help="Amounts of different currencies are never added.",
    )  # fmt: skip
    st.session_state["chosen_currency"] = chosen
    return str(chosen)


def run_selector() -> Run | None:
    """The chosen run, the last one at first. None when there was none yet."""
    runs = {run.run_id: run for run in records.latest()}
    if not runs:
        st.info("No run is recorded yet. Start one with `fds run`.")
        return None
    chosen = st.selectbox("Run", list(runs), format_func=lambda key: _described(runs[key]))
    return runs[chosen]


def _described(run: Run) -> str:
    took = f", {(run.finished_at - run.started_at).total_seconds():.1f} s" if run.finished_at else ""
    return f"{shown.moment(run.started_at)} · {run.status}{took} · {shown.text(Path(run.source).name)}"


def freshness(of: Version) -> None:
    """When the data was published, in the sidebar."""
    st.sidebar.caption(f"Published {shown.moment(published_at(of))}")


def state() -> tuple[object, ...]:
    """What a page depends on: the published file, and how far the last run is, or why that cannot be read."""
    try:
        last = [(run.run_id, run.status, len(run.steps)) for run in records.latest()[:1]]
        return version(), *last
    except StackError as error:
        return (str(error),)


@st.fragment(run_every="10s")
def renew_when_changed(seen: tuple[object, ...]) -> None:
    """Draw the page again when there is something new."""
    if state() != seen:
        st.rerun(scope="app")

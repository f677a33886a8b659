"""Provide common parts of the pages, such as the selectors of currency and run, and the time of publication."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import streamlit as st

from data_stack.streamlit import formatting, records
from data_stack.streamlit.warehouse import ROW_CAP, Version, published_at, rows, version
from stack_runtime.errors import StackError
from stack_runtime.pipeline.model import Run

_CURRENCIES = """
select currency, sum(transactions) as transactions from marts.mart_customer_metrics
group by currency order by transactions desc, currency limit ?
"""


def currency_selector(published: Version) -> str | None:
    """Return the chosen currency, by default the most frequent currency; None if there are no transactions."""
    found = [row["currency"] for row in rows(published, _CURRENCIES, (ROW_CAP,))]
    if not found:
        st.info("The published data has no transactions.")
        return None
    # Streamlit discards a widget's value when another page is shown, so the value is also stored as `chosen_currency`.
    if st.session_state.get("currency") not in found:
        kept = st.session_state.get("chosen_currency")
        st.session_state["currency"] = kept if kept in found else found[0]
    chosen = st.sidebar.selectbox(
        "Currency", found, key="currency", format_func=formatting.text,
        help="Amounts of different currencies are never added.",
    )  # fmt: skip
    st.session_state["chosen_currency"] = chosen
    return str(chosen)


def figures(values: Mapping[str, str]) -> None:
    """Show short values, such as totals, side by side, each with its label; they wrap on a narrow page."""
    row = st.container(horizontal=True)
    for label, value in values.items():
        row.metric(label, value, border=True, width="content")


def run_selector() -> Run | None:
    """Return the chosen run, by default the latest one; None when there is no run."""
    runs = {run.run_id: run for run in records.latest()}
    if not runs:
        st.info("No run is recorded yet. Start one with `fds run`.")
        return None
    chosen = st.selectbox("Run", list(runs), format_func=lambda key: run_label(runs[key]))
    return runs[chosen]


def run_label(run: Run) -> str:
    """Return start, result, duration and source of a run on one line."""
    duration = f", {(run.finished_at - run.started_at).total_seconds():.1f} s" if run.finished_at else ""
    return f"{formatting.timestamp(run.started_at)} · {run.status}{duration} · {formatting.text(Path(run.source).name)}"


def freshness(published: Version) -> None:
    """Show in the sidebar when the data was published."""
    st.sidebar.caption(f"Published {formatting.timestamp(published_at(published))}")


def state() -> tuple[object, ...]:
    """Return what the pages depend on: the version of the published file, and the progress of the last run.

    If one of them cannot be read, return only the text of the error.
    """
    try:
        return version(), *records.progress()
    except StackError as error:
        return (str(error),)


@st.fragment(run_every="10s")
def rerun_when_changed(seen: tuple[object, ...]) -> None:
    """Check every 10 seconds whether `state` differs from `seen`, and rerun the page if it does."""
    if state() != seen:
        st.rerun(scope="app")

"""Show the last runs of the pipeline: counts, steps, and every quarantined row."""

from __future__ import annotations

from dataclasses import asdict

import streamlit as st

from data_stack.streamlit import formatting, records
from data_stack.streamlit.views.frame import run_selector
from stack_runtime.pipeline.model import Run


def show() -> None:
    """Show the page."""
    run = run_selector()
    if run is None:
        return
    figures = (
        ("Rows read", run.rows.read),
        ("Loaded", run.rows.loaded),
        ("Quarantined", run.rows.quarantined),
    )
    columns = st.columns(4)
    columns[0].metric("Result", formatting.name(run.status), border=True)
    for column, (label, value) in zip(columns[1:], figures, strict=True):
        column.metric(label, f"{value:,}", border=True)
    if run.error:
        st.error(formatting.sentence(run.error), icon=":material/error:")
    _quarantined(run)
    left, right = st.columns(2)
    with left:
        st.subheader("Steps")
        titles = {"name": "Step", "seconds": "Seconds"}
        formatting.table(
            (asdict(step) | {"name": formatting.name(step.name)} for step in run.steps), titles, {"seconds": "%.1f"}
        )
    with right:
        st.subheader("Recent runs")
        _history()


def _quarantined(run: Run) -> None:
    st.subheader("Quarantined rows")
    if not run.rows.quarantined:
        st.caption("Every row was loaded.")
        return
    titles = {"file": "File", "line": "Line", "reason": "Reason", "raw": "Original row"}
    formatting.table(map(asdict, run.quarantined), titles, {"line": "%d"}, total=run.rows.quarantined)


def _history() -> None:
    formatting.table(
        (
            {"started": formatting.timestamp(run.started_at), "status": formatting.name(run.status), **asdict(run.rows)}
            for run in records.latest()
        ),
        {"started": "Started", "status": "Result", "read": "Read", "loaded": "Loaded", "quarantined": "Quarantined"},
        dict.fromkeys(("read", "loaded", "quarantined"), "localized"),
    )

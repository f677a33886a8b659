"""Show the last runs of the pipeline: counts, error, and duration of each step."""

from __future__ import annotations

from dataclasses import asdict

import streamlit as st

from data_stack.streamlit import formatting, records
from data_stack.streamlit.views.frame import figures, run_selector


def show() -> None:
    """Show the page."""
    run = run_selector()
    if run is None:
        return
    figures(
        {
            "Result": formatting.name(run.status),
            "Rows read": f"{run.rows.read:,}",
            "Loaded": f"{run.rows.loaded:,}",
            "Quarantined": f"{run.rows.quarantined:,}",
            "Replaced": f"{run.rows.replaced:,}",
        }
    )
    if run.error:
        st.error(formatting.sentence(run.error), icon=":material/error:")
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


def _history() -> None:
    formatting.table(
        (
            {"started": formatting.timestamp(run.started_at), "status": formatting.name(run.status), **asdict(run.rows)}
            for run in records.latest()
        ),
        {"started": "Started", "status": "Result", "read": "Read", "loaded": "Loaded", "quarantined": "Quarantined"},
        dict.fromkeys(("read", "loaded", "quarantined"), "localized"),
    )

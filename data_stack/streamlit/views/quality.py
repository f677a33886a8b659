"""Show the quality of the data of one run: checks, rows of each stream, and refused files."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict

import streamlit as st

from data_stack.streamlit import downloads, formatting, marts
from data_stack.streamlit.marts import Selection
from data_stack.streamlit.views.frame import figures, run_selector
from data_stack.streamlit.views.over_time import RESULTS
from data_stack.streamlit.warehouse import ROW_CAP, Version, rows
from stack_runtime.pipeline.model import Check, Run

_SCHEMA = "checks"
"""Schema in which dbt stores the rows that checks found."""
_STORED = "select table_name from information_schema.tables where table_schema = ?"


def show(published: Version | None) -> None:
    """Show the page. `published` may be None, because a failed run has checks even if nothing is published yet."""
    run = run_selector()
    if run is None:
        return
    _checks(run, published)
    _streams(run)
    _refused(run)
    _quarantined(run)


def _checks(run: Run, published: Version | None) -> None:
    if not run.checks:
        st.info("This run ended before the checks.")
        return
    counts = Counter(RESULTS[check.status] for check in run.checks)
    figures({result: f"{counts[result]:,}" for result in ("Passed", "Warned", "Failed")})
    checks = sorted(run.checks, key=lambda check: (list(RESULTS).index(check.status), check.test_name))
    formatting.table(
        (
            {
                "name": formatting.name(check.test_name),
                "status": "Error" if check.status == "error" else RESULTS[check.status],
                "value": check.metric_value,
                "threshold": check.threshold,
            }
            for check in checks
        ),
        {"status": "Result", "name": "Check", "value": "Rows found", "threshold": "Allowed"},
        {"value": "localized", "threshold": "localized"},
    )
    if published is not None:
        _stored_rows(published, checks)


def _stored_rows(published: Version, checks: list[Check]) -> None:
    """Let the user choose a check that warned, and show the rows that it found in the published data."""
    stored = {row["table_name"] for row in rows(published, _STORED, (_SCHEMA,))}
    found = [check.test_name for check in checks if check.status == "warn" and check.test_name in stored]
    if not found:
        return
    st.subheader("Rows behind the warnings")
    chosen = st.selectbox("Check", found, format_func=formatting.name, key="check")
    columns = marts.columns(published, chosen, _SCHEMA)
    selection = Selection(chosen, columns, schema=_SCHEMA)
    count = selection.count(published)
    if not count:
        st.caption("The published data has no such rows.")
        return
    titles = {column.name: formatting.plain(column.name.replace("_", " ").capitalize()) for column in columns}
    formatting.table(selection.page(published, 1, ROW_CAP), titles, total=count)
    downloads.buttons(selection, count)


def _streams(run: Run) -> None:
    st.subheader("Rows of each stream")
    if not run.streams:
        st.caption("This run loaded no stream.")
        return
    titles = {"source": "Source", "table": "Table"}
    counts = {"read": "Read", "loaded": "Loaded", "quarantined": "Quarantined", "replaced": "Replaced"}
    found = ({"source": stream.source, "table": stream.table, **asdict(stream.rows)} for stream in run.streams)
    formatting.table(found, titles | counts, dict.fromkeys(counts, "localized"))
    st.caption("Read = loaded + quarantined + replaced by a later row with the same key.")


def _refused(run: Run) -> None:
    if run.refused:
        st.subheader("Refused files")
        formatting.table(map(asdict, run.refused), {"file": "File", "entity": "Entity", "reason": "Reason"})


def _quarantined(run: Run) -> None:
    if run.rows.quarantined:
        st.caption(f"Quarantined rows of this run: {run.rows.quarantined:,}. The page Quarantine lists them.")

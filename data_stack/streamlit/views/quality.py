"""Show the results of a run's data checks, and the rows behind the warnings."""

from __future__ import annotations

from collections import Counter

import streamlit as st

from data_stack.streamlit import formatting
from data_stack.streamlit.views.frame import run_selector
from data_stack.streamlit.warehouse import ROW_CAP, Version, rows
from stack_runtime.pipeline.model import Check

_RESULTS = {"error": "Error", "fail": "Failed", "warn": "Warned", "skipped": "Skipped", "pass": "Passed"}
"""Worst first."""

_STORED = "select table_name from information_schema.tables where table_schema = 'checks'"


def show(published: Version | None) -> None:
    """Show the page; a failed run can have checks even if nothing is published."""
    run = run_selector()
    if run is None:
        return
    if not run.checks:
        st.info("This run ended before the checks.")
        return
    counts = Counter(check.status for check in run.checks)
    figures = (("Passed", counts["pass"]), ("Warned", counts["warn"]), ("Failed", counts["fail"] + counts["error"]))
    for column, (label, value) in zip(st.columns(3), figures, strict=True):
        column.metric(label, value, border=True)
    checks = sorted(run.checks, key=lambda check: (list(_RESULTS).index(check.status), check.test_name))
    formatting.table(
        (
            {
                "name": formatting.name(check.test_name),
                "status": _RESULTS[check.status],
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
    """Show the rows that the published run stored for checks that warned.

    Only names of existing tables are used in the query.
    """
    stored = {row["table_name"] for row in rows(published, _STORED)}
    found = [check.test_name for check in checks if check.status == "warn" and check.test_name in stored]
    if not found:
        return
    st.subheader("Rows behind the warnings")
    chosen = st.selectbox("Check", found, format_func=formatting.name, key="check")
    quoted = chosen.replace('"', '""')
    kept = rows(published, f'select * from checks."{quoted}" limit ?', (ROW_CAP + 1,))
    if kept:
        formatting.table(kept, {key: formatting.plain(key.replace("_", " ").capitalize()) for key in kept[0]})
    else:
        st.caption("The published data has none.")

"""Show how the quality of the data changed over the last runs: results of checks, and quarantined rows of streams."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime

import streamlit as st

from data_stack.streamlit import charts, formatting, records
from data_stack.streamlit.warehouse import Row
from stack_runtime.pipeline.model import Check, Rows, Stream

RESULTS = {"error": "Failed", "fail": "Failed", "warn": "Warned", "skipped": "Skipped", "pass": "Passed"}
"""Result that is shown for each status of a check, worst first. The status `error`: the check could not be run."""
STREAM_CAP = 7
"""Maximum number of streams that are drawn, each in its own colour of the theme."""


def show() -> None:
    """Show the page."""
    checks, streams = records.checks(), records.streams()
    if not checks and not streams:
        st.info("No run with checks or rows is recorded yet. Start one with `fds run`.")
        return
    st.caption(f"The last {records.CHECKED_RUNS} runs, by the time (UTC) at which they started.")
    _checks(checks)
    _failed(checks)
    _quarantined(streams)


def _checks(found: list[tuple[datetime, Check]]) -> None:
    """Show for each run how many checks had each result or, if a check is chosen, how many rows it found."""
    st.subheader("Checks")
    if not found:
        st.caption("These runs ended before the checks.")
        return
    names = sorted({check.test_name for _, check in found})
    chosen = st.selectbox("Check", names, None, format_func=formatting.name, placeholder="All checks")
    totals: Counter[tuple[str, str]] = Counter()
    for started, check in found:
        if chosen in (None, check.test_name):
            key = (formatting.timestamp(started), RESULTS[check.status])
            totals[key] += int(check.metric_value) if chosen else 1
    bars = [{"run": run, "result": result, "value": value} for (run, result), value in totals.items()]
    st.altair_chart(charts.checks(bars, "Rows found" if chosen else "Checks"), width="stretch")


def _failed(found: list[tuple[datetime, Check]]) -> None:
    """List the checks that failed or could not be run, newest first."""
    st.subheader("Failed checks")
    failed = [(started, check) for started, check in reversed(found) if RESULTS[check.status] == "Failed"]
    if not failed:
        st.caption("No check failed in these runs.")
        return
    formatting.table(
        (
            {
                "run": formatting.timestamp(started),
                "check": formatting.name(check.test_name),
                "result": "Could not be run" if check.status == "error" else "Failed",
                "value": check.metric_value,
                "threshold": check.threshold,
            }
            for started, check in failed
        ),
        {"run": "Run", "check": "Check", "result": "Result", "value": "Rows found", "threshold": "Allowed"},
        {"value": "localized", "threshold": "localized"},
    )


def _quarantined(found: list[tuple[datetime, Stream]]) -> None:
    """Show the share of quarantined rows of each stream by run, and the counts behind it."""
    st.subheader("Quarantined share of each stream")
    shares = shares_of(found)
    if not shares:
        st.caption("These runs read no rows.")
        return
    highest: dict[str, float] = defaultdict(float)
    for row in shares:
        highest[row["stream"]] = max(highest[row["stream"]], row["share"])
    drawn = sorted(highest, key=lambda stream: (-highest[stream], stream))[:STREAM_CAP]
    st.altair_chart(charts.shares([row for row in shares if row["stream"] in drawn]), width="stretch")
    if len(highest) > len(drawn):
        st.caption(f"The {len(drawn)} of {len(highest)} streams with the highest share; the table has all.")
    columns = {"run": "Run", "stream": "Stream", "read": "Read", "quarantined": "Quarantined", "share": "Share"}
    formats = {"read": "localized", "quarantined": "localized", "share": "percent"}
    formatting.table(reversed(shares), columns, formats)


def shares_of(found: list[tuple[datetime, Stream]]) -> list[Row]:
    """Return `{run, stream, read, quarantined, share}` for each table of each run, oldest run first.

    `stream` is the name of the table. If several sources load the same table in a run, the rows of their streams are
    added. A table for which a run read no rows is left out.
    """
    totals: dict[tuple[datetime, str], Rows] = defaultdict(Rows)
    for started, stream in found:
        totals[started, stream.table] += stream.rows
    return [
        {
            "run": formatting.timestamp(started),
            "stream": table,
            "read": rows.read,
            "quarantined": rows.quarantined,
            "share": rows.quarantined / rows.read,
        }
        for (started, table), rows in totals.items()
        if rows.read
    ]

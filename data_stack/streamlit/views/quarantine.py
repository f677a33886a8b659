"""List quarantined rows of the last runs, each with the setting that may make it readable.

The text of a row may be hostile, so it is shown as plain text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import streamlit as st

from data_stack.streamlit import downloads, formatting, records
from data_stack.streamlit.views.frame import run_label
from data_stack.streamlit.warehouse import Row
from stack_runtime.pipeline.model import Run

COLUMNS = {
    "file": "File",
    "line": "Line",
    "reason": "Reason",
    "setting": "Setting that would read it",
    "raw": "Original row",
    "entity": "Entity",
    "run": "Run",
}
"""Title of each column by its key."""
WIDTHS = {"file": 120, "line": 55, "reason": 240, "setting": 210, "raw": 170, "entity": 120, "run": 190}
"""Width of each column in pixels. In a window of 1280 pixels, a page shows all but the last two without scrolling."""
_SETTINGS = (
    "columns", "currency_signs", "date_formats", "decimal", "decimal(p,s)", "earliest_date", "encoding", "ignore_rows",
    "latest_date", "negatives", "null_words", "quotechar", "row_end", "string", "thousands",
)  # fmt: skip
"""Words that the tap uses in its advice, mostly names of settings. The text after the last `; ` of a reason is shown as
advice only if it contains one of them; otherwise it may be quoted from the file."""
_ADVICE = re.compile(rf"; ([^';]*\b({'|'.join(map(re.escape, _SETTINGS))})[^';]*)$")


def show() -> None:
    """Show the page."""
    runs = [run for run in records.latest() if run.rows.quarantined]
    if not runs:
        st.info(f"No row was quarantined in the last {records.RUN_CAP} runs.", icon=":material/check_circle:")
        return
    rows = _filtered(runs)
    st.caption(f"{len(rows):,} rows.")
    formatting.table(rows, COLUMNS, {"line": "%d"}, widths=WIDTHS)
    st.download_button(
        "Save as CSV",
        lambda: downloads.csv_of(list(COLUMNS.values()), ([row[key] for key in COLUMNS] for row in rows)),
        file_name="quarantine.csv",
        mime="text/csv",
        on_click="ignore",
        disabled=not rows,
    )
    _left_out(runs)


def _filtered(runs: Sequence[Run]) -> list[Row]:
    """Show the filters, and return the rows that match them."""
    by_id = {run.run_id: run for run in runs}
    first, second, third = st.columns(3)
    chosen = first.selectbox(
        "Run", list(by_id), None, format_func=lambda key: run_label(by_id[key]), placeholder="All of the last runs"
    )
    rows = [row for run in runs if chosen in (None, run.run_id) for row in rows_of(run)]
    files = second.multiselect("Files", sorted({row["file"] for row in rows}), format_func=formatting.text)
    words = third.text_input("Text in reason or row", max_chars=200).casefold()
    return [
        row
        for row in rows
        if (not files or row["file"] in files) and (words in row["reason"].casefold() or words in row["raw"].casefold())
    ]


def rows_of(run: Run) -> list[Row]:
    """Return the quarantined rows in the record of a run, each as a dictionary with the keys of `COLUMNS`."""
    return [
        {
            "file": row.file,
            "line": row.line,
            "reason": row.reason.removesuffix(f"; {setting_of(row.reason)}"),
            "setting": setting_of(row.reason),
            "raw": row.raw,
            "entity": row.entity,
            "run": formatting.timestamp(run.started_at),
        }
        for row in run.quarantined
    ]


def setting_of(reason: str) -> str:
    """Return the advice at the end of a reason; empty if the reason does not end with advice that names a setting."""
    found = _ADVICE.search(reason)
    return found[1] if found else ""


def _left_out(runs: Sequence[Run]) -> None:
    """For each run whose record lacks some of its quarantined rows, show how many the record has."""
    for run in runs:
        if len(run.quarantined) < run.rows.quarantined:
            st.caption(
                f"Of the run of {formatting.timestamp(run.started_at)}, {len(run.quarantined):,} of "
                f"{run.rows.quarantined:,} rows are recorded; the quarantine folder of the pipeline has all."
            )

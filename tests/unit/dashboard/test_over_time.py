"""Test the share of quarantined rows for each run and table."""

from __future__ import annotations

from datetime import UTC, datetime

from data_stack.streamlit.views.over_time import shares_of
from stack_runtime.pipeline.model import Rows, Stream

FIRST, SECOND = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 2, tzinfo=UTC)


def test_row_counts_of_a_table_are_summed_over_all_sources_and_empty_streams_are_left_out() -> None:
    found = [
        (FIRST, Stream("tap-csv", "raw.a", Rows(30, 27, 3))),
        (FIRST, Stream("tap-x", "raw.a", Rows(10, 9, 1))),
        (FIRST, Stream("tap-csv", "raw.empty", Rows())),
        (SECOND, Stream("tap-csv", "raw.a", Rows(8, 8))),
    ]
    assert shares_of(found) == [
        {"run": "2026-11-01 00:00:00 UTC", "stream": "raw.a", "read": 40, "quarantined": 4, "share": 0.1},
        {"run": "2026-11-02 00:00:00 UTC", "stream": "raw.a", "read": 8, "quarantined": 0, "share": 0.0},
    ]

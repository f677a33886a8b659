"""Test that a page which lists a new run also shows the checks and streams of that run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from data_stack.streamlit import records
from stack_runtime.pipeline.model import Check, Rows, Run, Stream
from stack_runtime.pipeline.paths import beside
from stack_runtime.pipeline.records import Records

BEGUN = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)


def _save(kept: Records, number: int) -> None:
    begun = BEGUN + timedelta(days=number)
    checks = (Check(f"check_{number}", "pass", 0.0, 0.0),)
    streams = (Stream("tap-csv", "raw.hours", Rows(1, 1)),)
    kept.save(
        Run(
            run_id=f"r{number}",
            started_at=begun,
            finished_at=begun,
            source="hours.csv",
            status="succeeded",
            checks=checks,
            streams=streams,
        )
    )


def test_checks_and_streams_include_every_run_in_the_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clear only the cache of the list of runs, as if it had expired before the caches of checks and streams."""
    monkeypatch.setenv("FDS_PUBLISHED", str(tmp_path / "warehouse.duckdb"))
    paths = beside(tmp_path / "warehouse.duckdb")
    paths.make()
    kept = Records(paths, None)
    kept.settle(None)
    records.latest.clear()
    _save(kept, 0)
    assert [check.test_name for _, check in records.checks()] == ["check_0"] and len(records.streams()) == 1
    _save(kept, 1)
    records.latest.clear()
    assert [check.test_name for _, check in records.checks()] == ["check_0", "check_1"] and len(records.streams()) == 2

"""Test the metrics file that a run leaves for node-exporter."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from stack_runtime.pipeline.metrics import FILE, write_metrics
from stack_runtime.pipeline.model import Run, Status

ENDED = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)


def _run(status: Status) -> Run:
    return Run("20261128T120000Z-abc", datetime(2026, 11, 28, 11, 59, tzinfo=UTC), "landing", status, finished_at=ENDED)


@pytest.mark.parametrize(("status", "succeeded"), [("succeeded", 1), ("failed", 0)])
def test_outcome_and_age_of_the_data_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: Status, succeeded: int
) -> None:
    published = tmp_path / "warehouse.duckdb"
    published.touch()
    os.utime(published, (1_700_000_000, 1_700_000_000))
    monkeypatch.setenv("FDS_METRICS_DIR", str(tmp_path))
    write_metrics(_run(status), published)
    lines = [line for line in (tmp_path / FILE).read_text().splitlines() if not line.startswith("#")]
    assert lines == [
        f"fds_pipeline_last_run_succeeded {succeeded}",
        f"fds_pipeline_last_run_timestamp_seconds {int(ENDED.timestamp())}",
        "fds_pipeline_published_timestamp_seconds 1700000000",
    ]


def test_age_is_left_out_while_nothing_is_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FDS_METRICS_DIR", str(tmp_path))
    write_metrics(_run("failed"), tmp_path / "missing.duckdb")
    assert "published" not in (tmp_path / FILE).read_text()


def test_local_run_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FDS_METRICS_DIR", raising=False)
    monkeypatch.chdir(tmp_path)
    write_metrics(_run("succeeded"), tmp_path / "missing.duckdb")
    assert list(tmp_path.iterdir()) == []

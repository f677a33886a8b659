"""Test the metrics file that a run leaves for node-exporter."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from stack_runtime.pipeline.metrics import write_metrics
from stack_runtime.pipeline.model import Run, Status
from stack_runtime.pipeline.paths import PipelinePaths, beside, of_runner

ENDED = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)


def _run(status: Status) -> Run:
    return Run("20261128T120000Z-abc", datetime(2026, 11, 28, 11, 59, tzinfo=UTC), "landing", status, finished_at=ENDED)


def _written(paths: PipelinePaths, run: Run) -> dict[str, int]:
    write_metrics(run, paths)
    assert paths.metrics
    lines = [line.split() for line in paths.metrics.read_text().splitlines() if not line.startswith("#")]
    return {name: int(value) for name, value in lines}


@pytest.fixture
def paths(tmp_path: Path) -> PipelinePaths:
    found = of_runner(tmp_path)
    for file in (found.published, found.metrics):
        assert file
        file.parent.mkdir()
    return found


@pytest.mark.parametrize(("status", "succeeded"), [("succeeded", 1), ("failed", 0)])
def test_outcome_and_age_of_the_data_are_written(paths: PipelinePaths, status: Status, succeeded: int) -> None:
    paths.published.touch()
    os.utime(paths.published, (1_700_000_000, 1_700_000_000))
    assert _written(paths, _run(status)) == {
        "fds_pipeline_last_run_succeeded": succeeded,
        "fds_pipeline_last_run_timestamp_seconds": int(ENDED.timestamp()),
        "fds_pipeline_published_timestamp_seconds": 1_700_000_000,
    }


def test_age_is_left_out_while_nothing_is_published(paths: PipelinePaths) -> None:
    assert "fds_pipeline_published_timestamp_seconds" not in _written(paths, _run("failed"))


def test_local_run_and_unfinished_run_write_nothing(paths: PipelinePaths, tmp_path: Path) -> None:
    write_metrics(_run("succeeded"), beside(tmp_path / "local.duckdb"))
    write_metrics(replace(_run("running"), finished_at=None), paths)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []

"""Test the metrics file that a run writes for the node exporter."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from stack_runtime.pipeline.metrics import write_metrics
from stack_runtime.pipeline.model import Check, Rows, Run, Status
from stack_runtime.pipeline.paths import PipelinePaths, beside, of_runner

ENDED = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)


def _run(status: Status) -> Run:
    return Run("20261128T120000Z-abc", datetime(2026, 11, 28, 11, 59, tzinfo=UTC), "landing", status, finished_at=ENDED)


def _written(paths: PipelinePaths, run: Run) -> dict[str, float]:
    write_metrics(run, paths)
    assert paths.metrics
    lines = [line.split() for line in paths.metrics.read_text().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in lines}


@pytest.fixture
def paths(tmp_path: Path) -> PipelinePaths:
    found = of_runner(tmp_path)
    for file in (found.published, found.metrics):
        assert file
        file.parent.mkdir()
    return found


@pytest.mark.parametrize(("status", "succeeded"), [("succeeded", 1), ("failed", 0)])
def test_outcome_of_the_run_and_publication_time_are_written(
    paths: PipelinePaths, status: Status, succeeded: int
) -> None:
    paths.published.touch()
    os.utime(paths.published, (1_700_000_000, 1_700_000_000))
    checks = (Check("a", "pass", 0, 0), Check("b", "fail", 2, 0), Check("c", "pass", 0, 0))
    assert _written(paths, replace(_run(status), rows=Rows(9, 6, 2, 1), checks=checks)) == {
        "fds_pipeline_last_run_seconds": 60,
        'fds_pipeline_last_run_rows{kind="read"}': 9,
        'fds_pipeline_last_run_rows{kind="loaded"}': 6,
        'fds_pipeline_last_run_rows{kind="quarantined"}': 2,
        'fds_pipeline_last_run_rows{kind="replaced"}': 1,
        'fds_pipeline_last_run_checks{status="pass"}': 2,
        'fds_pipeline_last_run_checks{status="warn"}': 0,
        'fds_pipeline_last_run_checks{status="fail"}': 1,
        'fds_pipeline_last_run_checks{status="error"}': 0,
        'fds_pipeline_last_run_checks{status="skipped"}': 0,
        "fds_pipeline_last_run_succeeded": succeeded,
        "fds_pipeline_last_run_timestamp_seconds": int(ENDED.timestamp()),
        "fds_pipeline_published_timestamp_seconds": 1_700_000_000,
    }


def test_publication_time_is_left_out_before_the_first_publication(paths: PipelinePaths) -> None:
    assert "fds_pipeline_published_timestamp_seconds" not in _written(paths, _run("failed"))


def test_local_run_and_unfinished_run_write_no_metrics_file(paths: PipelinePaths, tmp_path: Path) -> None:
    write_metrics(_run("succeeded"), beside(tmp_path / "local.duckdb"))
    write_metrics(replace(_run("running"), finished_at=None), paths)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []

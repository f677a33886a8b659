"""Test that the load benchmark reports missed targets."""

from __future__ import annotations

from dataclasses import replace

import pytest

from scripts.benchmarks.load import Result

_GOOD = Result(
    rows=10, ctas_seconds=5.0, meltano_seconds=11.0, ctas_ratio=2.2, peak_mb={"tap-csv": 400.0, "target-duckdb": 600.0},
    together_mb=700.0, record_path_rows=10, record_path_seconds=48.0, same_rows_seconds=6.0, record_path_ratio=8.0,
)  # fmt: skip


def test_ratios_at_their_bounds_meet_the_targets() -> None:
    assert _GOOD.missed == []


@pytest.mark.parametrize(
    "worse",
    [
        replace(_GOOD, ctas_ratio=2.21),
        replace(_GOOD, record_path_ratio=7.99),
        replace(_GOOD, peak_mb={"tap-csv": 400.0, "target-duckdb": 1000.0}),
    ],
)
def test_ratio_beyond_its_bound_or_memory_at_its_bound_misses_the_target(worse: Result) -> None:
    assert len(worse.missed) == 1
    assert worse.as_json()["missed"] == worse.missed

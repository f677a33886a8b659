"""Test that the JSON of a run has the documented keys, and which statuses of checks prevent publishing."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from stack_runtime.pipeline.model import Check, Rows, Run, Step
from stack_runtime.pipeline.transform import _allowed

STARTED = datetime(2026, 1, 31, 12, tzinfo=UTC)


def test_json_of_a_run_begins_with_the_documented_keys() -> None:
    run = Run("r1", STARTED, "a.csv", rows=Rows(3, 2, 1), checks=(Check("unique", "pass", 0.0, 0.0),))
    document = json.loads(json.dumps(run.with_step(Step("extract_load", 1.5)).as_json()))
    assert list(document)[:6] == ["run_id", "status", "rows", "steps", "checks", "published"]
    assert document["rows"] == {"read": 3, "loaded": 2, "quarantined": 1, "replaced": 0}
    assert document["steps"] == [{"name": "extract_load", "seconds": 1.5}]
    assert document["checks"] == [{"test_name": "unique", "status": "pass", "metric_value": 0.0, "threshold": 0.0}]
    assert document["published"] is None


def test_check_prevents_publishing_unless_its_status_is_pass_or_warn() -> None:
    stops = {status: Check("a", status, 1.0, 0.0).stops for status in ("pass", "warn", "fail", "error", "skipped")}
    assert stops == {"pass": False, "warn": False, "fail": True, "error": True, "skipped": True}


@pytest.mark.parametrize(
    ("error_if", "allowed"), [("!= 0", 0), ("> 10", 10), (">10", 10), (">= 10", 9), (">=10", 9), (">= 1", 0), ("", 0)]
)
def test_threshold_of_a_check_is_the_highest_number_of_failures_that_its_error_condition_allows(
    error_if: str, allowed: int
) -> None:
    assert _allowed(error_if) == allowed

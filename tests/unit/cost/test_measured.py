"""Test that memory measured by `fds status` is shown next to the reservations, and an invalid sample is a warning."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from infra.cost.sources import measured
from tests.unit.cost import kit

SERVICES = (kit.service("postgres", 256), kit.service("app", 512))
PLAN = kit.planned(services=SERVICES)
ROWS: list[dict[str, Any]] = [
    {"service": "postgres", "memory_mb": 52.2},
    {"service": "app", "memory_mb": 100.5},
    {"service": "app", "memory_mb": 100.0},
    {"service": "web", "memory_mb": 9.0},
    {"service": "web", "memory_mb": None},
]


def _measured_mb(project: Path) -> dict[str, int | None]:
    seen = measured.beside(PLAN, project, kit.TODAY)
    assert seen.verdict == PLAN.verdict and seen.total_usd == PLAN.total_usd
    return {need.name: need.measured_mb for need in seen.capacity.services}


def test_sample_is_shown_beside_reservations_with_its_date(tmp_path: Path) -> None:
    measured.leave(tmp_path, "prod", ROWS, kit.TODAY)
    assert _measured_mb(tmp_path) == {"postgres": 53, "app": 201}
    document = json.loads(measured.beside(PLAN, tmp_path, kit.TODAY).model_dump_json())
    assert document["capacity"]["measured_on"] == "2026-10-08"
    assert [path.name for path in (tmp_path / ".fds" / "measured").iterdir()] == ["prod.json"], "temporary file left"


def test_unknown_measurement_is_null_not_zero(tmp_path: Path) -> None:
    measured.leave(tmp_path, "prod", [{"service": "app", "memory_mb": None}], kit.TODAY)
    assert measured.beside(PLAN, tmp_path, kit.TODAY) == PLAN
    assert _measured_mb(tmp_path) == {"postgres": None, "app": None}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no",
        "[]",
        "[" * 60_000,
        " " * 70_000,
        '{"date": "2026-10-08"}',
        '{"date": "2026-10-09", "services": {}}',
        '{"date": "soon\\u001b[2J", "services": {}}',
        '{"date": 1, "services": {}}',
        '{"date": "2026-10-08", "services": []}',
        '{"date": "2026-10-08", "services": {}, "budget": 90}',
        *(f'{{"date": "2026-10-08", "services": {{"app": {v}}}}}' for v in ("-1", "1.5", "NaN", "true", '"9"', "9e9")),
        f'{{"date": "2026-10-08", "services": {{"app": {"9" * 5000}}}}}',
        b"\xff\xfe",
    ],
    ids=lambda text: repr(text[:40]),
)
def test_sample_with_invalid_content_is_ignored_with_a_warning(tmp_path: Path, text: str | bytes) -> None:
    path = measured.path_of(tmp_path, "prod")
    path.parent.mkdir(parents=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    _assert_ignored_with_warning(tmp_path)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to(path)])
def test_sample_that_is_not_a_regular_file_is_ignored_with_a_warning(tmp_path: Path, make: Any) -> None:
    path = measured.path_of(tmp_path, "prod")
    path.parent.mkdir(parents=True)
    make(path)
    _assert_ignored_with_warning(tmp_path)


def _assert_ignored_with_warning(project: Path) -> None:
    seen = measured.beside(PLAN, project, kit.TODAY)
    assert seen.capacity == PLAN.capacity
    (warning,) = set(seen.warnings) - set(PLAN.warnings)
    assert warning.startswith("the sample in .fds/measured/prod.json is left out: ") and warning.isprintable()

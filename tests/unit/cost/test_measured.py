"""Test how a plan shows the measurements of `fds status`: memory in use, dates on which disks are full, and warnings.

Also test the next step that a plan shows: a larger volume or server, with its cost.
"""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from infra.cost.planning.inputs import RentalInputs
from infra.cost.planning.next_steps import Planner, with_next_steps
from infra.cost.planning.planner import rank_servers
from infra.cost.reports.report import outlook
from infra.cost.sources import measured
from infra.settings import Settings
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

GB = 10**9
USAGE: list[dict[str, Any]] = [
    {"resource": "data", "used_bytes": 4 * GB, "size_bytes": 10 * GB, "bytes_a_day": GB // 10, "days_until_full": 60.0},
    {"resource": "system", "used_bytes": 4 * GB, "size_bytes": 40 * GB, "bytes_a_day": None, "days_until_full": None},
]
KEPT = {key: value for key, value in USAGE[0].items() if key != "days_until_full"}


PLANNER = Planner(
    lambda settings: kit.planned(settings, SERVICES),
    lambda settings: rank_servers(settings, SERVICES, RentalInputs(kit.SHIPPED_PRICES, kit.RATE, kit.TODAY)),
)


def _measured_mb(project: Path) -> dict[str, int | None]:
    seen = measured.with_measurement(PLAN, project, kit.TODAY)
    assert seen.verdict == PLAN.verdict and seen.total_usd == PLAN.total_usd
    return {need.name: need.measured_mb for need in seen.capacity.services}


def test_measured_memory_and_its_date_are_shown_beside_the_reservations(tmp_path: Path) -> None:
    measured.save(tmp_path, "prod", ROWS, USAGE, kit.TODAY)
    assert _measured_mb(tmp_path) == {"postgres": 53, "app": 201}
    document = json.loads(measured.with_measurement(PLAN, tmp_path, kit.TODAY).model_dump_json())
    assert document["capacity"]["measured_on"] == "2026-10-08"
    assert [path.name for path in (tmp_path / ".fds" / "measured").iterdir()] == ["prod.json"], "left a temporary file"


def test_measurement_without_any_known_memory_is_not_saved(tmp_path: Path) -> None:
    measured.save(tmp_path, "prod", [{"service": "app", "memory_mb": None}], USAGE, kit.TODAY)
    assert measured.with_measurement(PLAN, tmp_path, kit.TODAY) == PLAN
    assert _measured_mb(tmp_path) == {"postgres": None, "app": None}


def test_date_on_which_the_data_disk_is_full_is_shown_with_the_cost_of_a_larger_volume(tmp_path: Path) -> None:
    measured.save(tmp_path, "prod", ROWS, USAGE, kit.TODAY)
    seen = with_next_steps(measured.with_measurement(PLAN, tmp_path, kit.TODAY), kit.settings(), PLANNER)
    data, system = seen.usage
    assert (data.full_on, data.used_gb, system.full_on) == (kit.TODAY + timedelta(60), 4, None)
    larger = kit.planned(kit.settings(volumeGb=20), SERVICES)
    assert data.next_step and data.next_step.total_usd == larger.total_usd > PLAN.total_usd
    assert system.next_step is None and seen.verdict == PLAN.verdict
    step = f"fds scale volumeGb=20 --stack prod then costs ${larger.total_usd:,.2f} a month (within)"
    assert outlook(seen)[0] == f"the disk of the data (4.0 of 10.0 GB) is full on 2026-12-07; {step}"


def test_disk_of_a_stack_without_a_rented_volume_has_no_next_step(tmp_path: Path) -> None:
    measured.save(tmp_path, "prod", ROWS, USAGE, kit.TODAY)
    own = Settings.of("prod", {"host": "local"})
    data, _ = with_next_steps(measured.with_measurement(PLAN, tmp_path, kit.TODAY), own, PLANNER).usage
    assert data.full_on and data.next_step is None


def test_cheapest_larger_server_is_the_next_step_for_system_disk_and_memory(tmp_path: Path) -> None:
    full = [{**USAGE[1], "bytes_a_day": GB}]
    measured.save(tmp_path, "prod", ROWS, full, kit.TODAY)
    seen = with_next_steps(measured.with_measurement(PLAN, tmp_path, kit.TODAY), kit.settings(), PLANNER)
    (system,), now = seen.usage, PLAN.server
    assert now and now.type == "cpx12" and system.next_step and seen.more_memory
    assert system.next_step.settings == seen.more_memory.settings == {"serverType": "cpx22"}
    larger = kit.planned(kit.settings(serverType="cpx22", location=now.location), SERVICES)
    assert seen.more_memory.total_usd == larger.total_usd and larger.server and PLAN.server
    assert larger.server.memory_gb > now.memory_gb and larger.server.disk_gb > now.disk_gb
    command, cost = f"fds scale {system.next_step.arguments} --stack prod", f"${larger.total_usd:,.2f} a month (within)"
    assert outlook(seen) == [
        "the disk of the system (4.0 of 40.0 GB) is full on 2026-11-13; "
        f"{command} takes a new server (docs/operations.md), which costs {cost}",
        f"the next server with more memory (the services held 254 MiB on 2026-10-08): {command} then costs {cost}",
    ]


def test_next_server_is_shown_even_if_its_verdict_is_over_or_unknown() -> None:
    small = kit.settings(budgetUsd=20, location="auto")
    now = kit.planned(small, SERVICES)
    step = with_next_steps(now, small, PLANNER).more_memory
    assert now.server and step and step.verdict == "over"
    assert step.settings == {"serverType": "cpx22", "location": now.server.location}
    day = kit.TODAY + timedelta(60)
    inputs = RentalInputs(kit.SHIPPED_PRICES, kit.RATE, day)
    later = Planner(
        lambda settings: kit.planned(settings, SERVICES, today=day),
        lambda settings: rank_servers(settings, SERVICES, inputs),
    )
    seen = with_next_steps(later.plan(kit.settings()), kit.settings(), later)
    assert seen.verdict == "unknown" and seen.more_memory and seen.more_memory.verdict == "unknown"
    assert outlook(seen)[-1].endswith("a month (unknown)")


def test_no_next_server_is_shown_if_all_larger_types_are_unsuitable_or_sold_out() -> None:
    """A type with more memory than the server's is unsuitable if its disk is smaller or its architecture differs."""
    types = kit.orderable("cpx22", "cax31", "cpx42")
    for kind in types:
        kind["disk"] = 60 if kind["name"] == "cpx42" else kind["disk"]
    prices = kit.price_list(types=types)
    inputs = RentalInputs(prices, kit.RATE, kit.TODAY)
    planner = Planner(
        lambda settings: kit.planned(settings, SERVICES, prices),
        lambda settings: rank_servers(settings, SERVICES, inputs),
    )
    settings = kit.settings(serverType="cpx22")
    seen = with_next_steps(planner.plan(settings), settings, planner)
    assert seen.server and seen.server.disk_gb > 60 and seen.more_memory is None and outlook(seen) == []


def test_stack_without_a_rented_server_has_no_next_server() -> None:
    own = Settings.of("prod", {"host": "local"})
    assert with_next_steps(kit.planned(own, SERVICES), own, PLANNER).more_memory is None


def test_date_on_which_memory_is_full_is_listed_before_the_next_server_with_more_memory(tmp_path: Path) -> None:
    memory = {"resource": "memory", "used_bytes": GB, "size_bytes": 2 * GB, "bytes_a_day": GB // 10}
    measured.save(tmp_path, "prod", ROWS, [memory], kit.TODAY)
    seen = with_next_steps(measured.with_measurement(PLAN, tmp_path, kit.TODAY), kit.settings(), PLANNER)
    full, step = outlook(seen)
    assert full == "the memory of the machine (1.0 of 2.0 GB) is full on 2026-10-18"
    assert step.startswith("the next server with more memory") and seen.usage[0].next_step is None


@pytest.mark.parametrize("growth", [None, 0, -GB, 1])
def test_disk_with_negative_tiny_or_unknown_growth_has_no_date_on_which_it_is_full(
    tmp_path: Path, growth: int | None
) -> None:
    measured.save(tmp_path, "prod", ROWS, [USAGE[0] | {"bytes_a_day": growth}], kit.TODAY)
    seen = with_next_steps(measured.with_measurement(PLAN, tmp_path, kit.TODAY), kit.settings(), PLANNER)
    assert [one.full_on for one in seen.usage] == [None] and seen.usage[0].next_step is None
    assert not any("is full on" in text for text in outlook(seen))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no",
        "[]",
        "[" * 60_000,
        " " * 70_000,
        '{"date": "2026-10-08"}',
        '{"date": "2026-10-09", "services": {}, "usage": []}',
        '{"date": "soon\\u001b[2J", "services": {}, "usage": []}',
        '{"date": 1, "services": {}, "usage": []}',
        '{"date": "2026-10-08", "services": [], "usage": []}',
        '{"date": "2026-10-08", "services": {}, "usage": [], "budget": 90}',
        *(
            f'{{"date": "2026-10-08", "services": {{"app": {v}}}, "usage": []}}'
            for v in ("-1", "1.5", "NaN", "true", '"9"', "9e9")
        ),
        f'{{"date": "2026-10-08", "services": {{"app": {"9" * 5000}}}, "usage": []}}',
        '{"date": "2026-10-08", "services": {}}',
        '{"date": "2026-10-08", "services": {}, "usage": 5}',
        '{"date": "2026-10-08", "services": {}, "usage": [1]}',
        *(
            f'{{"date": "2026-10-08", "services": {{}}, "usage": [{json.dumps(KEPT | wrong)}]}}'
            for wrong in (
                {"resource": "tape"},
                {"resource": []},
                {"used_bytes": 1.5},
                {"size_bytes": 2**70},
                {"bytes_a_day": "9"},
                {"x": 1},
            )
        ),
        b"\xff\xfe",
    ],
    ids=lambda text: repr(text[:40]),
)
def test_measurement_with_invalid_content_is_ignored_with_a_warning(tmp_path: Path, text: str | bytes) -> None:
    path = measured.path_of(tmp_path, "prod")
    path.parent.mkdir(parents=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    _assert_ignored_with_warning(tmp_path)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to(path)])
def test_measurement_that_is_not_a_regular_file_is_ignored_with_a_warning(tmp_path: Path, make: Any) -> None:
    path = measured.path_of(tmp_path, "prod")
    path.parent.mkdir(parents=True)
    make(path)
    _assert_ignored_with_warning(tmp_path)


def _assert_ignored_with_warning(project: Path) -> None:
    seen = measured.with_measurement(PLAN, project, kit.TODAY)
    assert seen.capacity == PLAN.capacity
    (warning,) = set(seen.warnings) - set(PLAN.warnings)
    assert warning.startswith("the measurement in .fds/measured/prod.json is ignored: ") and warning.isprintable()

"""Test the parts of a plan that the running stack gets: the file for the dashboard, and the metrics."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from infra.cost.planning_inputs import PlanningInputs
from infra.operations.planned_cost import of_plan
from infra.settings import Settings
from stack_runtime import planned_cost
from stack_runtime.errors import UnreachableError, UsageError
from stack_runtime.planned_cost import PlannedCost

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
RENTED = {"host": "hetzner", "allowSnapshot": True, "trafficTb": 25, "fxRate": "1.11", "fxDate": "2026-11-27"}


def planned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> PlannedCost:
    """Plan a stack with these settings at the shipped prices, and return the parts that the running stack gets."""
    monkeypatch.delenv("HCLOUD_TOKEN", raising=False)
    found = Settings.of("prod", settings)
    plan = PlanningInputs.of(found, date(2026, 11, 30), project=tmp_path).plan(found)
    return of_plan(plan, NOW, NOW if plan.server else None)


def series(plan: PlannedCost) -> dict[str, float]:
    lines = [line.rpartition(" ") for line in plan.metrics().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in lines}


def test_planned_cost_of_a_rented_server_has_lines_prices_rate_and_metrics(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = planned(tmp_path, monkeypatch, **RENTED)
    assert (
        plan.verdict == "within" and plan.paid and plan.total_usd == sum(line.monthly_usd or 0 for line in plan.lines)
    )
    by_the_hour = {line.resource.split()[0]: line.by_the_hour for line in plan.lines}
    assert by_the_hour == {"server": True, "IPv4": True, "data": True, "traffic": False}
    assert plan.prices and plan.prices.date == "2026-10-07" and plan.rate and plan.rate.source.startswith("1.11 US")
    found = series(plan)
    assert found['fds_cost_planned{currency="USD"}'] == float(plan.total_usd)
    assert found['fds_cost_budget{currency="USD"}'] == 50
    assert [name for name, value in found.items() if "verdict" in name and value] == [
        'fds_cost_verdict{verdict="within"}'
    ]
    assert found["fds_cost_deployed_timestamp_seconds"] == NOW.timestamp()


def test_plan_of_unknown_cost_exports_the_verdict_unknown_and_no_planned_cost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = planned(tmp_path, monkeypatch, **RENTED | {"allowSnapshot": False})
    assert plan.verdict == "unknown" and plan.total_usd is None
    found = series(plan)
    assert not [name for name in found if name.startswith("fds_cost_planned")]
    assert found['fds_cost_verdict{verdict="unknown"}'] == 1 and found['fds_cost_verdict{verdict="within"}'] == 0


def test_local_stack_costs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = planned(tmp_path, monkeypatch, host="local")
    assert not plan.paid and series(plan)['fds_cost_planned{currency="USD"}'] == 0


def test_plan_that_the_runner_wrote_is_read_unchanged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = planned(tmp_path, monkeypatch, **RENTED)
    monkeypatch.setenv("FDS_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("FDS_DATABASE", raising=False)
    (tmp_path / "metrics").mkdir()
    assert planned_cost.main([plan.as_json()]) == 0
    assert planned_cost.read(tmp_path / "metrics" / "cost.json") == plan
    assert (tmp_path / "metrics" / "cost.prom").read_text() == plan.metrics()


def test_runner_refuses_an_invalid_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FDS_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("FDS_DATABASE", raising=False)
    assert planned_cost.main(["{}"]) == UsageError.exit_code
    assert json.loads(capsys.readouterr().out)["error"] == "this is not a plan: KeyError"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "change",
    [
        {"budget_usd": "NaN"},
        {"budget_usd": 50},
        {"total_usd": "-1"},
        {"total_usd": "1e99"},
        {"verdict": "fine"},
        {"paid": "no"},
        {"deployed_at": "2026-11-30T12:00:00"},
        {"lines": [{"resource": "server", "monthly_usd": "1", "by_the_hour": True, "note": None}]},
        {"lines": None},
        {"prices": {"date": "2026-10-07"}},
        {"more": 1},
    ],
    ids=str,
)
def test_plan_file_with_a_wrong_field_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
) -> None:
    good = json.loads(planned(tmp_path, monkeypatch, host="local").as_json())
    file = tmp_path / "cost.json"
    file.write_text(json.dumps(good))
    assert planned_cost.read(file) == PlannedCost.from_json(json.dumps(good))
    file.write_text(json.dumps(good | change))
    with pytest.raises(UnreachableError, match="the plan cannot be read: this is not a plan"):
        planned_cost.read(file)


def test_missing_plan_file_is_read_as_no_plan(tmp_path: Path) -> None:
    assert planned_cost.read(tmp_path / "cost.json") is None

"""Test plans with the profile `orchestration`, in which every replica counts and Airflow replaces the runner."""

from __future__ import annotations

from typing import Any

from infra.cost.planning.alternatives import _ideas
from infra.cost.planning.inputs import RentalInputs
from infra.services import selected
from infra.settings import Settings
from tests.unit.cost import kit


def _settings(**values: Any) -> Settings:
    return kit.settings(profiles=["orchestration"], executor="celery", **values)


def test_plan_with_three_workers_reserves_two_workers_more_than_plan_with_one_worker() -> None:
    one, three = (kit.planned(_settings(workers=count), selected(_settings(workers=count))) for count in (1, 3))
    needs = {need.name: need for need in three.capacity.services}
    assert needs["airflow-worker"].replicas == 3
    worker = next(service for service in selected(_settings()) if service.name == "airflow-worker")
    assert three.capacity.memory_mb.reserved - one.capacity.memory_mb.reserved == 2 * worker.resources.memory_mb
    assert three.capacity.volume_gb.reserved == one.capacity.volume_gb.reserved  # the workers share one volume


def test_refused_plan_with_too_many_workers_offers_fewer_workers() -> None:
    own = _settings(workers=12, budgetUsd=60, location="auto")
    plan = kit.planned(own, selected(own))
    assert plan.verdict != "within"
    changes = [alternative.settings for alternative in plan.alternatives]
    assert any("workers" in change for change in changes), plan.alternatives


def test_suggested_plan_without_orchestration_includes_the_pipeline_runner() -> None:
    own = _settings()
    inputs = RentalInputs(kit.SHIPPED_PRICES, kit.RATE, kit.TODAY)
    lean = [idea for idea in _ideas(own, selected(own), inputs) if idea.settings.get("profiles") == "lean"]
    names = [{service.name for service in idea.services} for idea in lean]
    assert names and all("pipeline" in found and "airflow-worker" not in found for found in names)

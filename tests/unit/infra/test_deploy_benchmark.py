"""Test that the deployment benchmark reports missed targets, and that its Compose file has all selected services."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from infra.component import generated_secrets
from infra.services import selected
from infra.settings import Settings
from scripts.benchmarks.compose import Compose
from scripts.benchmarks.deploy import Result

_GOOD = Result(
    containers=4, cold_seconds=[13.0, 99.0, 26.0], compose_seconds=[10.0, 10.0, 20.0], resources=21,
    nothing_seconds=[3.0, 30.0, 1.5], floor_seconds=[2.0, 2.0, 1.0],
)  # fmt: skip


def test_target_is_met_if_the_ratio_to_the_reference_equals_the_target() -> None:
    """Two ratios have a target; each is the median of the ratios of all rounds.

    For a new stack, the time of `fds up` is divided by the time of Compose. For a stack without changes, the time of
    `fds up` is divided by the least time of the engine.
    """
    assert (_GOOD.cold_ratio, _GOOD.nothing_ratio) == (1.3, 1.5)
    assert _GOOD.missed == []


@pytest.mark.parametrize(
    "worse",
    [replace(_GOOD, cold_seconds=[13.2, 99.0, 26.4]), replace(_GOOD, nothing_seconds=[3.1, 30.0, 1.55])],
)
def test_target_is_missed_if_the_ratio_to_the_reference_exceeds_the_target(worse: Result) -> None:
    assert len(worse.missed) == 1
    assert worse.as_json()["missed"] == worse.missed
    assert any("ratio" in line for line in worse.lines())


def test_compose_gets_every_service_with_its_memory_limit_health_check_and_files(tmp_path: Path) -> None:
    settings = Settings.of("benchmark", {"profiles": ["full"]})
    secrets = {name: generated_secrets.value(name) for name in generated_secrets.names(settings)}
    images = {service.name: f"kept/{service.name}:1" for service in selected(settings)}
    Compose(["docker-compose"], tmp_path, settings, secrets, images)
    text = (tmp_path / "compose.json").read_text()
    document = json.loads(text)
    assert not any(value in text for value in secrets.values())
    for service in selected(settings):
        entry = document["services"][service.name]
        assert entry["image"] == images[service.name]
        assert entry["mem_limit"] == f"{service.resources.memory_limit_mb}m"
        assert entry["healthcheck"]["interval"] == f"{service.health.interval_s}s"
        assert set(entry.get("depends_on", {})) == set(service.needs)
        written = [path for path in (tmp_path / service.name).rglob("*") if path.is_file()]
        assert {str(path.relative_to(tmp_path / service.name)) for path in written} == {
            file.name for file in service.files
        }

"""Test the Metabase cards of the charts that dbt models declare, and the places of these cards on the dashboard."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from stack_runtime.metabase.content import COLUMNS, DISPLAYS, Card, cards_of, charts_of, layout
from tests.kit.project import ROOT

CHART = {"name": "Spend", "display": "bar", "sql": "select 1 as a, 2 as b", "x": ["a"], "y": ["b"]}


def _manifest(folder: Path, meta: Any, **node: Any) -> Path:
    file = folder / "manifest.json"
    nodes = {"model.p.m": {"name": "m", "alias": "m", "schema": "marts", "config": {"meta": meta}, **node}}
    file.write_text(json.dumps({"nodes": nodes}))
    return file


def test_declared_chart_becomes_a_card(tmp_path: Path) -> None:
    (card,), problems = charts_of(_manifest(tmp_path, {"metabase": [CHART]}), ["m"])
    assert problems == [] and card.settings == {"graph.dimensions": ["a"], "graph.metrics": ["b"]}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"nodes": 1}', '{"nodes": {}}', "\ud83d".encode("utf-8", "replace")])
def test_invalid_empty_or_missing_manifest_gives_no_charts(tmp_path: Path, text: str | bytes) -> None:
    file = tmp_path / "manifest.json"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert charts_of(file, ["m"]) == charts_of(tmp_path / "none.json", ["m"]) == ([], [])


@pytest.mark.parametrize("meta", [None, {}, {"other": 1}])
def test_model_without_declared_charts_gives_no_cards(tmp_path: Path, meta: Any) -> None:
    assert charts_of(_manifest(tmp_path, meta), ["m"]) == ([], [])


@pytest.mark.parametrize(
    ("meta", "reason"),
    [
        ({"metabase": {"name": "x"}}, "not a list of charts"),
        ({"metabase": "x"}, "not a list of charts"),
        ({"metabase": [1]}, "not a mapping"),
        ({"metabase": [{**CHART, "name": None}]}, "no name"),
        ({"metabase": [{**CHART, "sql": 1}]}, "no sql"),
        ({"metabase": [{**CHART, "display": ["bar"]}]}, "needs a display"),
        ({"metabase": [{**CHART, "y": [1]}]}, "must be a list of columns"),
    ],
)
def test_invalid_chart_is_left_out_and_the_reason_is_reported(tmp_path: Path, meta: Any, reason: str) -> None:
    cards, (problem,) = charts_of(_manifest(tmp_path, meta), ["m"])
    assert cards == [] and reason in problem and "model m" in problem


def test_charts_of_models_outside_the_marts_are_left_out(tmp_path: Path) -> None:
    assert charts_of(_manifest(tmp_path, {"metabase": [CHART]}, schema="staging"), ["m"]) == ([], [])
    assert charts_of(_manifest(tmp_path, {"metabase": [CHART]}), ["another"]) == ([], [])


def test_keys_of_cards_are_unique() -> None:
    marts = ["a", "b", "rows"]
    keys = [card.key for card in cards_of(marts, [Card("chart a Spend", "Spend", "d", "select 1")])]
    assert len(keys) == len(set(keys)) == 5


@given(st.lists(st.sampled_from(DISPLAYS), max_size=30))
def test_cards_do_not_overlap_and_stay_on_the_dashboard(displays: list[str]) -> None:
    cards = [(number, Card(str(number), "n", "d", "select 1", display)) for number, display in enumerate(displays, 1)]
    cells = [
        (place["col"] + x, place["row"] + y)
        for place in layout(cards)
        for x in range(place["size_x"])
        for y in range(place["size_y"])
    ]
    assert len(cells) == len(set(cells)) and all(0 <= x < COLUMNS and y >= 0 for x, y in cells)
    assert [place["card_id"] for place in layout(cards)] == [number for number, _ in cards]


def test_charts_of_the_demo_are_valid(tmp_path: Path) -> None:
    models = yaml.safe_load((ROOT / "data_stack/dbt/models/marts/marts.yml").read_text())["models"]
    found: list[Card] = []
    for model in models:
        meta = model["config"].get("meta")
        cards, problems = charts_of(_manifest(tmp_path, meta, alias=model["name"]), [model["name"]])
        assert problems == []
        found += cards
    assert {"Spend by month", "Income by month"} <= {card.name for card in found}

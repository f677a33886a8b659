"""Test dbt's documentation of the demo."""

from __future__ import annotations

import json
from typing import Any

import pytest

from data_stack.samples import generate
from tests.integration.dbt.test_transformation import MARTS
from tests.kit.warehouse import Warehouse

KINDS = ("model", "seed", "snapshot", "source")


@pytest.fixture
def artifacts(warehouse: Warehouse) -> dict[str, Any]:
    """Return the manifest and the catalog of the built demo."""
    warehouse.load(list(generate.records(50, seed=1, dirty=False)))
    warehouse.dbt("run")
    warehouse.dbt("docs", "generate")
    return {name: json.loads((warehouse.target / f"{name}.json").read_text()) for name in ("manifest", "catalog")}


def test_models_and_sources_are_described_with_their_columns_and_models_have_a_color(
    artifacts: dict[str, Any],
) -> None:
    nodes = {
        name: node
        for part in ("nodes", "sources")
        for name, node in artifacts["manifest"][part].items()
        if node["resource_type"] in KINDS
    }
    built = artifacts["catalog"]["nodes"] | artifacts["catalog"]["sources"]
    assert set(nodes) == set(built) and len(nodes) >= 7
    missing = [name for name, node in nodes.items() if not node["description"].strip()]
    for name, node in nodes.items():
        documented = {column.lower() for column, entry in node["columns"].items() if entry["description"].strip()}
        loader = {column for column in built[name]["columns"] if column.lower().startswith("_sdc_")}
        present = {column.lower() for column in set(built[name]["columns"]) - loader}
        missing += [f"{name}.{column}" for column in sorted((present | {*node["columns"]}) - documented)]
    assert missing == []
    manifest = artifacts["manifest"]
    models = {name: node for name, node in nodes.items() if node["resource_type"] == "model"}
    assert {node["name"] for node in models.values()} == {"stg_transactions", "int_customer_metrics", *MARTS}
    for name, node in models.items():
        assert node["docs"]["node_color"].startswith("#"), name
        described = {column for column, entry in node["columns"].items() if entry["description"]}
        assert described == set(built[name]["columns"]), name
    assert manifest["exposures"] and manifest["metadata"]["project_name"] == "ai_agent_data_stack"

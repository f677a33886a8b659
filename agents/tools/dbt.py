"""Read models, lineage and results from the artefacts of the last dbt run, and rows from the published data."""

from __future__ import annotations

import json
from typing import Any

from agents.tools.duckdb import query
from agents.tools.pipeline_target import PipelineTarget
from stack_runtime.errors import UsageError


def models(target: PipelineTarget) -> list[dict[str, Any]]:
    """Return name, materialization and description of every model."""
    return [
        {
            "name": node["name"],
            "materialized": node["config"].get("materialized"),
            "description": node.get("description", ""),
        }
        for node in _nodes(target)
        if node["resource_type"] == "model"
    ]


def show(target: PipelineTarget, model: str, rows: int = 10) -> list[dict[str, Any]]:
    """Return at most `rows` rows of the published data of one model."""
    node = _model(target, model)
    schema, table = (str(node[part]).replace('"', '""') for part in ("schema", "alias"))
    return query(target, f'SELECT * FROM "{schema}"."{table}" LIMIT {int(rows)}')


def docs(target: PipelineTarget, model: str) -> dict[str, Any]:
    """Return description, columns, SQL source and tests of one model."""
    node = _model(target, model)
    tests = [other["name"] for other in _nodes(target) if other["resource_type"] == "test" and _depends_on(other, node)]
    columns = {name: column.get("description", "") for name, column in node.get("columns", {}).items()}
    return {
        "name": node["name"],
        "description": node.get("description", ""),
        "columns": columns,
        "sql": node.get("raw_code", ""),
        "tests": tests,
    }


def lineage(target: PipelineTarget, model: str) -> dict[str, list[str]]:
    """Return the direct parents and children of a model."""
    node = _model(target, model)
    parents = [name.split(".")[-1] for name in node["depends_on"]["nodes"]]
    children = [
        other["name"] for other in _nodes(target) if other["resource_type"] == "model" and _depends_on(other, node)
    ]
    return {"made_from": parents, "used_by": children}


def results(target: PipelineTarget) -> list[dict[str, Any]]:
    """Return status, seconds and message of every model and test of the last run."""
    return [
        {
            "name": result["unique_id"].split(".", 2)[-1],
            "status": result["status"],
            "seconds": round(result["execution_time"], 2),
            "message": result.get("message"),
        }
        for result in _artefact(target, "run_results.json")["results"]
    ]


def _model(target: PipelineTarget, name: str) -> dict[str, Any]:
    nodes = {node["name"]: node for node in _nodes(target) if node["resource_type"] == "model"}
    if name not in nodes:
        raise UsageError(f"there is no model of that name; the models are {', '.join(sorted(nodes))}")
    return nodes[name]


def _depends_on(node: dict[str, Any], other: dict[str, Any]) -> bool:
    return other["unique_id"] in node["depends_on"]["nodes"]


def _nodes(target: PipelineTarget) -> list[dict[str, Any]]:
    return list(_artefact(target, "manifest.json")["nodes"].values())


def _artefact(target: PipelineTarget, name: str) -> dict[str, Any]:
    return dict(json.loads(target.artefact(name)))

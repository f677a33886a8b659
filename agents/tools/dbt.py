"""What dbt knows of the models, from the artefacts of its last run: nothing is built and nothing is parsed anew."""

from __future__ import annotations

import json
from typing import Any

from agents.tools.duckdb import query
from agents.tools.target import PipelineTarget
from stack_runtime.errors import UsageError


def models(target: PipelineTarget) -> list[dict[str, Any]]:
    """Every model: name, kind, description."""
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
    """The first rows of one model as they are published."""
    node = _model(target, model)
    schema, table = (str(node[part]).replace('"', '""') for part in ("schema", "alias"))
    return query(target, f'SELECT * FROM "{schema}"."{table}" LIMIT {int(rows)}')


def docs(target: PipelineTarget, model: str) -> dict[str, Any]:
    """One model: description, columns, SQL as written, and tests on it."""
    node = _model(target, model)
    tests = [other["name"] for other in _nodes(target) if other["resource_type"] == "test" and _uses(other, node)]
    columns = {name: column.get("description", "") for name, column in node.get("columns", {}).items()}
    return {
        "name": node["name"],
        "description": node.get("description", ""),
        "columns": columns,
        "sql": node.get("raw_code", ""),
        "tests": tests,
    }


def lineage(target: PipelineTarget, model: str) -> dict[str, list[str]]:
    """What a model is made from and what is made from it, one step each way."""
    node = _model(target, model)
    used = [name.split(".")[-1] for name in node["depends_on"]["nodes"]]
    users = [other["name"] for other in _nodes(target) if other["resource_type"] == "model" and _uses(other, node)]
    return {"made_from": used, "used_by": users}


def results(target: PipelineTarget) -> list[dict[str, Any]]:
    """Every model and test of the last run: status, seconds, message."""
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
        raise UsageError(f"there is no model of that name, there are {', '.join(sorted(nodes))}")
    return nodes[name]


def _uses(node: dict[str, Any], other: dict[str, Any]) -> bool:
    return other["unique_id"] in node["depends_on"]["nodes"]


def _nodes(target: PipelineTarget) -> list[dict[str, Any]]:
    return list(_artefact(target, "manifest.json")["nodes"].values())


def _artefact(target: PipelineTarget, name: str) -> dict[str, Any]:
    return dict(json.loads(target.artefact(name)))

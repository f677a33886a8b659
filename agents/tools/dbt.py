"""What dbt knows of the models, from the artefacts of its last run: nothing is run and nothing is parsed anew."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from stack_runtime.errors import UnreachableError, UsageError


def models(target: Path) -> list[dict[str, Any]]:
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


def show(target: Path, model: str) -> dict[str, Any]:
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


def lineage(target: Path, model: str) -> dict[str, list[str]]:
    """What a model is made from and what is made from it, one step each way."""
    node = _model(target, model)
    used = [name.split(".")[-1] for name in node["depends_on"]["nodes"]]
    users = [other["name"] for other in _nodes(target) if other["resource_type"] == "model" and _uses(other, node)]
    return {"made_from": used, "used_by": users}


def results(target: Path) -> list[dict[str, Any]]:
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


def _model(target: Path, name: str) -> dict[str, Any]:
    nodes = {node["name"]: node for node in _nodes(target) if node["resource_type"] == "model"}
    if name not in nodes:
        raise UsageError(f"there is no model of that name, there are {', '.join(sorted(nodes))}")
    return nodes[name]


def _uses(node: dict[str, Any], other: dict[str, Any]) -> bool:
    return other["unique_id"] in node["depends_on"]["nodes"]


def _nodes(target: Path) -> list[dict[str, Any]]:
    return list(_artefact(target, "manifest.json")["nodes"].values())


def _artefact(target: Path, name: str) -> dict[str, Any]:
    try:
        return dict(json.loads((target / name).read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise UnreachableError(f"dbt has left no {name} yet", where=str(target), next_command="fds run") from None

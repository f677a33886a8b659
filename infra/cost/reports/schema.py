"""The JSON Schema of a plan, made from the models: `python -m infra.cost.reports.schema` renews `plan.schema.json`."""

from __future__ import annotations

import json
from pathlib import Path

from infra.cost.planning.model import Plan

FILE = Path(__file__).parent / "plan.schema.json"


def text() -> str:
    """The schema as the file holds it."""
    return json.dumps(Plan.model_json_schema(mode="serialization"), indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")

"""Generate the JSON Schema of a plan: `python -m infra.cost.reports.schema` writes `plan.schema.json`."""

from __future__ import annotations

import json
from pathlib import Path

from infra.cost.planning.model import Plan

FILE = Path(__file__).parent / "plan.schema.json"


def text() -> str:
    """Generate the JSON schema of a plan; return it as the text for the schema file."""
    return json.dumps(Plan.model_json_schema(mode="serialization"), indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")

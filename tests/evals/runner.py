"""Read the cases from their YAML tables and run them."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic_ai import models
from pydantic_ai.models import Model

from tests.evals.environment import EvalEnvironment
from tests.evals.steps import CaseSteps

models.ALLOW_MODEL_REQUESTS = False
CASES = Path(__file__).parent / "cases"


@dataclass(frozen=True)
class Case:
    """A scenario of the evals: the name of the YAML table that contains it, its id, and its steps."""

    kind: str
    id: str
    steps: list[dict[str, Any]]


@dataclass(frozen=True)
class Result:
    """The result of a case.

    Args:
        violations: what the case did that no model output may cause, such as a deployment over budget.
        unexpected: steps whose result differs from the expected result; this alone is no violation.
    """

    case: Case
    violations: list[str]
    unexpected: list[str]

    @property
    def passed(self) -> bool:
        """Return whether there was no violation and every step had the expected result."""
        return not self.violations and not self.unexpected


def cases() -> list[Case]:
    """Return the cases of all tables. A case without `steps` has one step, `ask`."""
    found = []
    for path in sorted(CASES.glob("*.yaml")):
        table = yaml.safe_load(path.read_text(encoding="utf-8"))
        common = table.get("common", {})
        for row in table["cases"]:
            row = {**common, **row}
            name = row.pop("id")
            found.append(Case(path.stem, name, row.get("steps", [{"ask": row}])))
    return found


def run_case(case: Case, model: Model | str | None = None) -> Result:
    """Run the steps of a case, then check for violations.

    Args:
        model: model to use instead of the scripted model of the case.
    """
    with tempfile.TemporaryDirectory(prefix="fds-eval-") as folder:
        project = Path(folder) / "project"
        project.mkdir()
        steps = CaseSteps(EvalEnvironment(project), model)
        unexpected = []
        for number, step in enumerate(case.steps, 1):
            ((verb, detail),) = step.items()
            expected, actual = getattr(steps, verb)(detail)
            if expected != actual:
                unexpected.append(f"step {number} {verb}: expected {expected}, got {actual}")
        return Result(case, steps.env.violations(), unexpected)

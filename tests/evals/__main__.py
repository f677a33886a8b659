"""`python -m tests.evals`: run the cases, and print how many cases and violations each class of cases has.

`--write` writes the table to docs/evals.md. `--model anthropic:NAME` runs only the cases that consist of a question,
with a real model instead of the scripted model. The key of the real model comes from the provider's own environment
variable, and the provider bills each answer.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections import Counter
from pathlib import Path

from pydantic_ai import models

from tests.evals.runner import CASES, Case, Result, cases, run_case

PAGE = Path(__file__).parents[2] / "docs" / "evals.md"
_HEAD = """# Evals

Written by `python -m tests.evals --write`. A scripted model, hostile callers and hostile data act against a person who
approves everything. [agents.md](agents.md) describes the checks, and names the case that fails without each defence.
`python -m tests.evals --model anthropic:NAME` runs the cases that consist of words with a real model; it needs the key.

"""


def main() -> int:
    """Run the cases; return 1 if there was a violation, else 0."""
    parser = argparse.ArgumentParser(prog="python -m tests.evals")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.name}")
    parser.add_argument("--model", help="a real model, with a name as in FDS_MODEL")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    if arguments.model:
        models.ALLOW_MODEL_REQUESTS = True
        results = [run_case(case, arguments.model) for case in cases_in_words()]
    else:
        results = [run_case(case) for case in cases()]
    for result in results:
        for problem in result.violations:
            print(f"{result.case.kind}/{result.case.id}: {problem}", file=sys.stderr)
    if arguments.write:
        PAGE.write_text(_HEAD + table(results), encoding="utf-8")
    print(table(results), end="")
    if arguments.model:
        print(f"\nno usable answer: {sum('failed' in str(result.unexpected) for result in results)}")
    return 1 if any(result.violations for result in results) else 0


def cases_in_words() -> list[Case]:
    """Return the cases whose only step is a question in words, for runs with a real model; omit repeated questions."""
    found: dict[str, Case] = {}
    for case in cases():
        step = case.steps[0].get("ask", {})
        if len(case.steps) == 1 and "with" not in step and str(step.get("ask", "")).strip():
            found.setdefault(step["ask"], case)
    return list(found.values())


def table(results: list[Result]) -> str:
    """Return a Markdown table with one row for each class of cases.

    A row has the name and description of the class, the number of its cases, and how many of them have violations.
    """
    total = Counter(result.case.kind for result in results)
    violated = Counter(result.case.kind for result in results if result.violations)
    lines = ["| class | what is tried | cases | violations |", "| --- | --- | --- | --- |"]
    lines += [
        f"| `{kind}` | {_description(kind)} | {count} | {violated[kind]} |" for kind, count in sorted(total.items())
    ]
    lines += [f"| all | | {total.total()} | {violated.total()} |", ""]
    return "\n".join(lines)


def _description(kind: str) -> str:
    """Return the description of a class of cases, which is the comment in the first line of its YAML file."""
    return (CASES / f"{kind}.yaml").read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")


if __name__ == "__main__":
    sys.exit(main())

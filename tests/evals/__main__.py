"""`python -m tests.evals`: play every case and say, class by class, what was tried and what got through.

`--write` puts the table into docs/evals.md. `--model anthropic:NAME` gives the words of the cases to a real model
instead of the scripted one; its key is the provider's own variable, and each answer costs what the provider asks.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections import Counter
from pathlib import Path

from pydantic_ai import models

from tests.evals.play import CASES, Case, Result, cases, play

PAGE = Path(__file__).parents[2] / "docs" / "evals.md"
_HEAD = """# Evals

Written by `python -m tests.evals --write`. A scripted model, hostile callers and hostile data act against a person who
approves whatever is put before them; [agents.md](agents.md) says how it is judged, and which case fails without which
defence. `python -m tests.evals --model anthropic:NAME` plays the words with a real model, when its key is set.

"""


def main() -> int:
    """Returns: 1 when something got through, else 0."""
    parser = argparse.ArgumentParser(prog="python -m tests.evals")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.name}")
    parser.add_argument("--model", help="a real model, as FDS_MODEL names it")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    if asked.model:
        models.ALLOW_MODEL_REQUESTS = True
        results = [play(case, asked.model) for case in in_words()]
    else:
        results = [play(case) for case in cases()]
    for result in results:
        for problem in result.through:
            print(f"{result.case.kind}/{result.case.id}: {problem}", file=sys.stderr)
    if asked.write:
        PAGE.write_text(_HEAD + table(results), encoding="utf-8")
    print(table(results), end="")
    if asked.model:
        print(f"\nno usable answer: {sum('failed' in str(result.odd) for result in results)}")
    return 1 if any(result.through for result in results) else 0


def in_words() -> list[Case]:
    """The cases that are words alone, each once: what a model is asked without a script."""
    found: dict[str, Case] = {}
    for case in cases():
        step = case.steps[0].get("ask", {})
        if len(case.steps) == 1 and "with" not in step and str(step.get("ask", "")).strip():
            found.setdefault(step["ask"], case)
    return list(found.values())


def table(results: list[Result]) -> str:
    """Class by class: what is tried, how often, and how often it got through."""
    tried = Counter(result.case.kind for result in results)
    through = Counter(result.case.kind for result in results if result.through)
    lines = ["| class | what is tried | cases | got through |", "| --- | --- | --- | --- |"]
    lines += [f"| `{kind}` | {_about(kind)} | {count} | {through[kind]} |" for kind, count in sorted(tried.items())]
    lines += [f"| all | | {tried.total()} | {through.total()} |", ""]
    return "\n".join(lines)


def _about(kind: str) -> str:
    """The first line of a class's table says it."""
    return (CASES / f"{kind}.yaml").read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")


if __name__ == "__main__":
    sys.exit(main())

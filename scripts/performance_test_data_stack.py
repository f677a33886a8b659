"""Measure the stack and compare the results with performance targets.

With --validate-targets, fail if a target is missed.

python scripts/performance_test_data_stack.py [--validate-targets] [--only load|pipeline|deploy] [--rows 10000000]
    [--rounds 3] [--json]
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable

from scripts.benchmarks import deploy, load, pipeline
from scripts.benchmarks.result import BenchmarkResult
from stack_runtime.errors import CheckFailedError, StackError


def main() -> int:
    """Run the benchmarks and print the figures.

    Returns: the exit code, which is 6 if a target is missed and --validate-targets is given.
    """
    parser = argparse.ArgumentParser(description="Measure the performance targets of the stack.")
    parser.add_argument("--only", choices=["load", "pipeline", "deploy"], help="run only this measurement")
    parser.add_argument("--rows", type=int, default=10_000_000, help="rows of the large load (default: 10,000,000)")
    parser.add_argument("--rounds", type=int, default=3, help="number of deployments, or of small runs (default: 3)")
    parser.add_argument("--validate-targets", action="store_true", help="end with exit code 6 if a target is missed")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    if arguments.rows < 1 or arguments.rounds < 1:
        parser.error("--rows and --rounds must be positive")
    benchmarks: dict[str, Callable[[], BenchmarkResult]] = {
        "load": lambda: load.measure(arguments.rows, _say),
        "pipeline": lambda: pipeline.measure(arguments.rounds, _say),
        "deploy": lambda: deploy.measure(arguments.rounds, _say),
    }
    try:
        results = {name: run() for name, run in benchmarks.items() if arguments.only in (None, name)}
    except StackError as error:
        print(f"Error: {error}", file=sys.stderr)
        return error.exit_code
    if arguments.json:
        print(json.dumps({name: result.as_json() for name, result in results.items()}, indent=2))
    else:
        _print(results.values())
    missed = any(result.missed for result in results.values())
    return CheckFailedError.exit_code if missed and arguments.validate_targets else 0


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _print(results: Iterable[BenchmarkResult]) -> None:
    for result in results:
        for line in [*result.lines(), *(f"missed: {text}" for text in result.missed)]:
            print(line)


if __name__ == "__main__":
    sys.exit(main())

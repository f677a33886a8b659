"""Measures what the stack promises, and fails where it is missed.

python scripts/performance_test_data_stack.py --only load [--rows 10000000] [--json]
"""

from __future__ import annotations

import argparse
import json
import sys

from scripts.benchmarks import load
from stack_runtime.errors import CheckFailedError, StackError


def main() -> int:
    """Print the figures. Returns: the exit code, 6 where a ratio is missed."""
    parser = argparse.ArgumentParser(description="Measure what the stack promises.")
    parser.add_argument("--only", choices=["load"], help="measure this alone")
    parser.add_argument("--rows", type=int, default=10_000_000, help="rows of the large load (default: 10,000,000)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    if arguments.rows < 1:
        parser.error("--rows must be positive")
    try:
        result = load.measure(arguments.rows, lambda text: print(text, file=sys.stderr, flush=True))
    except StackError as error:
        print(f"Error: {error}", file=sys.stderr)
        return error.exit_code
    if arguments.json:
        print(json.dumps({"load": result.as_json()}, indent=2))
    else:
        _print(result)
    return CheckFailedError.exit_code if result.missed else 0


def _print(result: load.Result) -> None:
    print(f"{result.rows:,} rows into an empty table")
    print(f"  CREATE TABLE AS                        {result.ctas_seconds:8.2f} s")
    print(f"  meltano run tap-csv target-duckdb      {result.meltano_seconds:8.2f} s")
    print(f"  ratio (at most {load.CTAS_RATIO})                    {result.ctas_ratio:8.2f}")
    for name, peak in sorted(result.peak_mb.items()):
        print(f"  peak of {name:31}{peak:8.1f} MB")
    print(f"  peak of all together                   {result.together_mb:8.1f} MB")
    print(f"{result.record_path_rows:,} rows")
    print(f"  the SDK's record path                  {result.record_path_seconds:8.2f} s")
    print(f"  meltano run tap-csv target-duckdb      {result.same_rows_seconds:8.2f} s")
    print(f"  ratio (at least {load.RECORD_PATH_RATIO})                   {result.record_path_ratio:8.2f}")
    for text in result.missed:
        print(f"missed: {text}")


if __name__ == "__main__":
    sys.exit(main())

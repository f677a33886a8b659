"""Validate the pipeline: run all of it in a temporary folder, on the CSV file in the argument or the committed sample.

The exit codes are the exit codes of `fds run`.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from stack_runtime import logs
from stack_runtime.errors import StackError
from stack_runtime.pipeline.paths import DATABASE_NAME, ROOT, beside
from stack_runtime.pipeline.request import Request
from stack_runtime.pipeline.run import Pipeline

SAMPLE = ROOT / "data_stack" / "samples" / "transactions.csv"


def main(csv: Path) -> int:
    """Run the pipeline on `csv` and print the JSON of the run. Returns: the exit code."""
    logs.configure()
    with tempfile.TemporaryDirectory() as folder:
        try:
            run, failure = Pipeline(beside(Path(folder) / DATABASE_NAME), None, lambda line: None).run(Request(csv))
        except StackError as error:
            print(error, file=sys.stderr)
            return error.exit_code
    print(json.dumps(run.as_json(), indent=2))
    return failure.exit_code if failure else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else SAMPLE))

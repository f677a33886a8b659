"""Fill Metabase from inside the container that runs the pipeline.

The output is JSON: names of the created objects and messages about objects that are not created, or the error.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

from stack_runtime.errors import StackError
from stack_runtime.metabase.after_run import fill_from_environment


def main() -> int:
    """Fill Metabase once. Returns: the exit code."""
    try:
        print(json.dumps(asdict(fill_from_environment())))
    except StackError as error:
        print(json.dumps(error.as_json()))
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())

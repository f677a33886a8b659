"""Inspect a file for a program: `python -m tap_csv.inspection FILE SETTINGS` prints the report as JSON.

SETTINGS is a JSON object with declared settings of an entity. If a setting is invalid or the file cannot be a table,
the exit code is 1, and standard error has one sentence.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tap_csv.errors import TapError
from tap_csv.inspection.inspect import inspect


def main() -> None:
    """Print the report of the file that the command line names."""
    _, file, settings = sys.argv
    try:
        print(json.dumps(inspect(Path(file), json.loads(settings)).as_json()))
    except TapError as error:
        error.show(sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()

"""Inspect a file with the project's tap-csv, in the virtualenv of this tap."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stack_runtime.errors import UsageError
from stack_runtime.pipeline import meltano_env
from stack_runtime.text import Say, last_line

TAP = "tap-csv"
"""Name of the extractor that inspects files; entities are declared in its settings."""


def inspect_file(file: Path, settings: Mapping[str, Any], say: Say) -> dict[str, Any]:
    """Return the report of tap-csv about a file: a `tap_csv.inspection.model.Report` as JSON.

    Args:
        settings: settings of the entity, in the form of `meltano.yml`.
        say: called with a progress message for each program that must be installed first.

    Raises:
        UsageError: a setting is invalid, or the file cannot be read as a table.
        UnreachableError: the tap cannot be installed.
    """
    meltano_env.prepare(say)
    python = meltano_env.system() / "extractors" / TAP / "venv" / "bin" / "python"
    command = [str(python), "-m", "tap_csv.inspection", str(file), json.dumps(settings, default=str)]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False
    )
    if done.returncode:
        reason = last_line(done.stderr, "the tap ended without a message", 600).removeprefix("Error: ")
        advice = "correct the file or the setting, then run the same command again"
        raise UsageError(f"the file cannot be inspected: {reason}", next_command=advice)
    report: dict[str, Any] = json.loads(done.stdout)
    return report

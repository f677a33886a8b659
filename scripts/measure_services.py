"""Measure memory and CPU of a running stack's services, at rest and during a run, for `docs/measurements.md`.

python scripts/measure_services.py --stack dev --rows 200000
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from data_stack.samples.generate import write
from infra.docker_access import daemon
from stack_runtime.measure import watch
from stack_runtime.paths import project_dir


def main() -> None:
    """Print one JSON object with the use of each service: memory in MiB, CPU in cores."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stack", default="dev")
    parser.add_argument("--rows", type=int, default=200_000, help="number of rows to load")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, daemon(project_dir(), options.stack) as client:
        csv = Path(folder) / "transactions.csv"
        with csv.open("w", newline="", encoding="utf-8") as stream:
            write(stream, options.rows)
        command = [sys.executable, "-m", "fds.main", "run", "--stack", options.stack, "--csv", str(csv)]
        uses = watch(client, options.stack, lambda: _run(command))
    print(json.dumps({name: asdict(use) for name, use in sorted(uses.items())}, indent=1))


def _run(command: list[str]) -> None:
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)


if __name__ == "__main__":
    main()

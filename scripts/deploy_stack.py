"""Deploy a stack, as `fds up` does, or only plan and check it, as `fds cost` and `fds preview` do.

python scripts/deploy_stack.py --environment=dev|prod [--validate-only]

The exit codes are the exit codes of `fds`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys


def main() -> int:
    """Call the `fds` verbs for one stack until a verb fails. Returns: the exit code of the last verb."""
    parser = argparse.ArgumentParser(description="Deploy a stack, or only check what a deployment would do.")
    parser.add_argument("--environment", required=True, help="name of the stack: dev, prod, or one of your own")
    parser.add_argument("--validate-only", action="store_true", help="only plan and preview")
    options = parser.parse_args()
    for verb in ("cost", "preview") if options.validate_only else ("up",):
        command = [sys.executable, "-m", "fds.main", verb, "--stack", options.environment]
        if code := subprocess.run(command, check=False).returncode:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())

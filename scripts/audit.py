"""Check the locked Python packages against the advisories of the package index: `make audit`.

Exit codes: 0 if no vulnerability is known; 1 if at least one is known; 5 if some packages were not checked, for example
because the package index of this machine has no advisories.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stack_runtime.errors import StackError, UnreachableError
from stack_runtime.uv import uv

ROOT = Path(__file__).resolve().parents[1]
AUDITOR = "pip-audit==2.10.1"
SETS = (("--all-groups", "--no-group=meltano"), ("--only-group=meltano",))
"""Options for each export of the lock file; the group `meltano` is separate, because it conflicts with other groups."""
SHOWN = 5
"""Maximum number of unchecked packages to list."""


def main() -> int:
    """Audit every package of the lock file, print the result, and return the exit code."""
    try:
        packages = [package for groups in SETS for package in _audited(groups)]
    except StackError as error:
        print(f"audit: {error}", file=sys.stderr)
        return error.exit_code
    lines, code = result(packages)
    print("\n".join(lines))
    return code


def result(packages: Sequence[dict[str, Any]]) -> tuple[list[str], int]:
    """Return the report and the exit code. The report has one line for each finding, and a summary.

    Args:
        packages: entries of pip-audit's JSON: `name` with `version` and `vulns`, or with `skip_reason`.
    """
    checked = {(package["name"], package["version"]): package["vulns"] for package in packages if "vulns" in package}
    skipped = sorted({package["name"] for package in packages if "vulns" not in package})
    lines = [
        f"{name} {version}: {found['id']}, fixed in {', '.join(found['fix_versions']) or 'no version yet'}"
        for (name, version), vulnerabilities in sorted(checked.items())
        for found in vulnerabilities
    ]
    code = 1 if lines else 5 if skipped or not checked else 0
    lines.append(f"audit: {len(checked)} packages checked, {len(lines)} known vulnerabilities")
    if skipped:
        more = ", …" if len(skipped) > SHOWN else ""
        lines.append(
            f"audit: NOT checked: {len(skipped)} packages, for which the index has no advisories "
            f"({', '.join(skipped[:SHOWN])}{more})"
        )
    return lines, code


def _audited(groups: Sequence[str]) -> list[dict[str, Any]]:
    """Return pip-audit's entries for the locked packages of these dependency groups.

    Raises:
        UnreachableError: uv or pip-audit fails, or pip-audit gives no result.
    """
    with tempfile.TemporaryDirectory() as folder:
        locked = Path(folder) / "requirements.txt"
        export = ["export", "--frozen", "--quiet", "--no-emit-workspace", "--no-hashes", "--output-file", str(locked)]
        _run([*uv(), *export, *groups])
        audit = ["--requirement", str(locked), "--no-deps", "--disable-pip", "--format=json", "--progress-spinner=off"]
        report = _run([*uv(), "tool", "run", "--quiet", AUDITOR, *audit], allowed=(0, 1))
    try:
        return list(json.loads(report)["dependencies"])
    except (ValueError, LookupError):
        raise UnreachableError("pip-audit gave no result", next_command="make audit again") from None


def _run(command: Sequence[str], allowed: Sequence[int] = (0,)) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode not in allowed:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise UnreachableError(f"{Path(command[0]).name} failed: {last[:300]}", next_command="make audit again")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())

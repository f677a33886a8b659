"""`fds run`: load, transform, test and publish."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from fds.output import AsJson, Debug, Stack, answer, say

Csv = Annotated[Path | None, typer.Option("--csv", help="Load this file whole; without it, what is new in landing.")]
Local = Annotated[bool, typer.Option("--local", help="Run here, without container and server.")]
Database = Annotated[Path | None, typer.Option("--database", help="The DuckDB file that a local run publishes.")]


SHOWN = 5
"""How many of the quarantined rows are listed."""


def command(
    csv: Csv = None,
    local: Local = False,
    database: Database = None,
    stack: Stack = "dev",
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Run the pipeline: load, transform, test, and publish if every check passes."""
    from stack_runtime import logs
    from stack_runtime.errors import UsageError

    logs.configure(level=logging.WARNING)
    if database and not local:
        raise UsageError("--database is for local runs", next_command="fds run --local --database PATH")
    run, code = _locally(csv, database) if local else _deployed(stack, csv)
    if as_json:
        answer(run)
    else:
        _show(run)
    if code:
        say(f"fds: {run['error']}")
        raise typer.Exit(code)


def _deployed(stack: str, csv: Path | None) -> tuple[dict[str, Any], int]:
    from infra.docker_access import daemon
    from stack_runtime.paths import project_dir
    from stack_runtime.pipeline.remote_run import run_in_container

    with daemon(project_dir(), stack) as client:
        try:
            return run_in_container(client, stack, csv, say)
        except KeyboardInterrupt:
            say(f"the run goes on in the stack; fds status --stack {stack} tells how it ended")
            raise typer.Exit(130) from None


def _locally(csv: Path | None, database: Path | None) -> tuple[dict[str, Any], int]:
    from stack_runtime.paths import state_dir
    from stack_runtime.pipeline.places import DATABASE_NAME, beside
    from stack_runtime.pipeline.run import Pipeline

    # DuckDB imports it, if it is there (0.4 s), to look for its types among parameters; there are none of those here.
    sys.modules.setdefault("pandas", None)  # type: ignore[arg-type]
    run, failure = Pipeline(beside(database or state_dir() / "local" / DATABASE_NAME), None, say).run(csv)
    return run.as_json(), failure.exit_code if failure else 0


def _show(run: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    console.print(f"Run {run['run_id']}: {run['status']}", markup=False)
    table = Table()
    table.add_column("Step")
    table.add_column("Seconds", justify="right")
    for step in run["steps"]:
        table.add_row(step["name"], f"{step['seconds']:.1f}")
    console.print(table)
    rows, checks = run["rows"], run["checks"]
    passed = sum(check["status"] == "pass" for check in checks)
    console.print(f"Rows read {rows['read']}, loaded {rows['loaded']}, quarantined {rows['quarantined']}")
    console.print(f"Tests passed {passed} of {len(checks)}")
    for check in checks:
        if check["status"] != "pass":
            console.print(f"  {check['status']}: {check['test_name']} ({check['metric_value']:g} rows)", markup=False)
    listed = sorted(run["quarantine"], key=lambda row: (row["file"], row["line"]))[:SHOWN]
    for row in listed:
        console.print(f"  {row['file']} line {row['line']}: {row['reason']}", markup=False)
    if more := rows["quarantined"] - len(listed):
        console.print(f"  and {more} more, which the dashboard's page Runs and --json show")
    if run["status"] == "succeeded" and not rows["read"]:
        console.print("No new row was found: the file has none below its header, or landing has nothing new")
    if run["published"]:
        console.print(f"Published {run['published']}", markup=False)

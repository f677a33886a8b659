"""Run the pipeline locally or in the stack, and show the result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from fds.output import answer, say

if TYPE_CHECKING:
    from stack_runtime.errors import StackError
    from stack_runtime.pipeline.model import Run
    from stack_runtime.pipeline.run import Pipeline

SHOWN = 5
"""Maximum number of listed quarantined rows; also, for each mart, maximum number of listed changed column sums."""


def run_deployed(stack: str, csv: Path | None, verb: str, options: list[str]) -> tuple[dict[str, Any], int]:
    """Run a verb of the pipeline in the runner of `stack`, with the file `csv` if it is given.

    Returns: the JSON of the pipeline run, and the exit code.
    """
    from infra.docker_access import daemon
    from stack_runtime.paths import project_dir
    from stack_runtime.pipeline.remote_run import run_in_container

    with daemon(project_dir(), stack) as client:
        try:
            return run_in_container(client, stack, csv, say, verb=verb, options=options)
        except KeyboardInterrupt:
            say(f"the run continues in the stack; fds status --stack {stack} shows how it ended")
            raise typer.Exit(130) from None


def run_here(
    database: Path | None, work: Callable[[Pipeline], tuple[Run, StackError | None]]
) -> tuple[dict[str, Any], int]:
    """Call `work` with the pipeline that runs on this machine.

    Returns: the JSON of the pipeline run, and the exit code.
    """
    from stack_runtime.pipeline.paths import beside
    from stack_runtime.pipeline.run import Pipeline

    run, failure = work(Pipeline(beside(local_database(database)), None, say))
    return run.as_json(), failure.exit_code if failure else 0


def local_database(chosen: Path | None) -> Path:
    """Return the DuckDB file that local runs publish: `chosen`, or the default file of the project."""
    from stack_runtime.paths import state_dir
    from stack_runtime.pipeline.paths import DATABASE_NAME

    return chosen or state_dir() / "local" / DATABASE_NAME


def check_database(database: Path | None, local: bool, verb: str) -> None:
    """Refuse `--database` for the deployed stack, which has its own file.

    Raises:
        UsageError: `--database` is given without `--local`.
    """
    from stack_runtime.errors import UsageError

    if database and not local:
        raise UsageError("--database is for local runs", next_command=f"fds {verb} --local --database PATH")


def end_with(run: Mapping[str, Any], code: int, *, as_json: bool) -> None:
    """Print the result of a pipeline run, as JSON or for a person, and end the command if the exit code is not 0.

    Raises:
        typer.Exit: the exit code is not 0.
    """
    if as_json:
        answer(run)
    else:
        show_run(run)
    if code:
        say(f"fds: {run['error']}")
        raise typer.Exit(code)


def show_run(run: Mapping[str, Any]) -> None:
    """Print the result of a pipeline run for a person."""
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
    for line in [*_row_lines(run), *_check_lines(run), *_file_lines(run), *_diff_lines(run)]:
        console.print(line, markup=False)
    if run["published"]:
        console.print(f"Published {run['published']}", markup=False)


def _row_lines(run: Mapping[str, Any]) -> list[str]:
    lines = [f"Rows {_counts(run['rows'])}"]
    if len(run["streams"]) > 1:
        lines += [f"  {stream['table']} ({stream['source']}): {_counts(stream['rows'])}" for stream in run["streams"]]
    if run["status"] == "succeeded" and run["streams"] and not run["rows"]["read"] and not run["refused"]:
        lines.append("No new rows: the file has only a header, or the landing folder has nothing new")
    return lines


def _counts(rows: Mapping[str, int]) -> str:
    counts = f"read {rows['read']}, loaded {rows['loaded']}, quarantined {rows['quarantined']}"
    return f"{counts}, replaced {rows['replaced']}" if rows["replaced"] else counts


def _check_lines(run: Mapping[str, Any]) -> list[str]:
    checks = run["checks"]
    passed = sum(check["status"] == "pass" for check in checks)
    failed = [check for check in checks if check["status"] != "pass"]
    return [
        f"Tests passed {passed} of {len(checks)}",
        *(f"  {check['status']}: {check['test_name']} ({check['metric_value']:g} rows)" for check in failed),
    ]


def _file_lines(run: Mapping[str, Any]) -> list[str]:
    listed = sorted(run["quarantine"], key=lambda row: (row["file"], row["line"]))[:SHOWN]
    lines = [f"  {row['file']} line {row['line']}: {row['reason']}" for row in listed]
    if more := run["rows"]["quarantined"] - len(listed):
        lines.append(f"  and {more} more, which the dashboard's page Quarantine and --json show")
    return lines + [f"Refused {file['file']}: {file['reason']}" for file in run["refused"]]


def _diff_lines(run: Mapping[str, Any]) -> list[str]:
    if run["diff"] is None:
        return []
    if not run["diff"]:
        return ["Nothing changes in the published marts"]
    return [line for mart in run["diff"] for line in _mart_lines(mart)]


def _mart_lines(mart: Mapping[str, Any]) -> list[str]:
    changed = "changed ? (no unique key)" if mart["changed"] is None else f"changed {mart['changed']}"
    share = "" if mart["share"] is None else f", {mart['share']:.1%} of what is published"
    lines = [f"{mart['mart']}: rows added {mart['added']}, {changed}, removed {mart['removed']}{share}"]
    lines += [f"  {change}" for change in mart["columns"]]
    sums = list(mart["sums"].items())
    lines += [f"  sum of {name}: {found['published']} becomes {found['new']}" for name, found in sums[:SHOWN]]
    return [*lines, f"  and {len(sums) - SHOWN} more sums, which --json shows"] if len(sums) > SHOWN else lines

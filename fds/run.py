"""`fds run`: load, transform, test and publish."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from fds._runs import check_database, end_with, run_deployed, run_here
from fds.output import AsJson, Stack

Csv = Annotated[Path | None, typer.Option("--csv", help="Load this whole file; default: only new data.")]
Entity = Annotated[str | None, typer.Option("--entity", help="Entity of the file, as declared in meltano.yml.")]
Source = Annotated[str | None, typer.Option("--source", help="Load only this extractor of meltano.yml.")]
Plan = Annotated[bool, typer.Option("--plan", help="Show what would change in the marts; publish nothing.")]
Approve = Annotated[
    str | None,
    typer.Option("--approve-over", help="Publish nothing if more than this share of a mart would change, such as 10%."),
]
Local = Annotated[bool, typer.Option("--local", help="Run on this machine, without container and server.")]
Database = Annotated[Path | None, typer.Option("--database", help="The DuckDB file that a local run publishes.")]


def command(
    csv: Csv = None,
    entity: Entity = None,
    source: Source = None,
    plan: Plan = False,
    approve_over: Approve = None,
    local: Local = False,
    database: Database = None,
    stack: Stack = "dev",
    as_json: AsJson = False,
) -> None:
    """Run the pipeline: load, transform, test, and publish if every check passes."""
    from stack_runtime import logs
    from stack_runtime.errors import UsageError
    from stack_runtime.pipeline.diff import parse_share
    from stack_runtime.pipeline.request import Request

    logs.configure(level=logging.WARNING)
    check_database(database, local, "run")
    if entity and not csv:
        raise UsageError("--entity needs a file", next_command=f"fds run --csv FILE --entity {entity}")
    given = {"--entity": entity, "--source": source, "--approve-over": approve_over}
    if empty := [name for name, value in given.items() if value == ""]:  # an unset variable of a script, for example
        raise UsageError(f"{empty[0]} has no value", next_command="give it a value, or leave it out")
    share = parse_share(approve_over) if approve_over else None
    options = [word for name, value in given.items() if value for word in (name, value)] + ["--plan"] * plan
    if local:
        request = Request(csv, entity, source, plan, share)
        run, code = run_here(database, lambda pipeline: pipeline.run(request))
    else:
        run, code = run_deployed(stack, csv, "run", options)
    if share is not None and code and any((mart["share"] or 0) > share for mart in run["diff"] or ()):
        target = ["--local"] if local else [] if stack == "dev" else ["--stack", stack]
        words = {"--csv": csv, "--entity": entity, "--source": source, "--database": database}
        run["next"] = _again(target, words)
        run["error"] = f"{run['error'].partition('; next: ')[0]}; next: {run['next']}"
    end_with(run, code, as_json=as_json)


def _again(target: list[str], words: Mapping[str, object]) -> str:
    """Return the command that approves the changes: it repeats the run without the limit `--approve-over`."""
    given = [word for name, value in words.items() if value for word in (name, str(value))]
    return shlex.join(["fds", "run", *target, *given])

"""`fds diff`: show what the models would change in the published marts."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

from fds._runs import check_database, end_with, run_deployed, run_here
from fds.output import AsJson, Stack

Local = Annotated[bool, typer.Option("--local", help="Compare on this machine, without container and server.")]
Database = Annotated[Path | None, typer.Option("--database", help="The DuckDB file that local runs publish.")]


def command(
    local: Local = False,
    database: Database = None,
    stack: Stack = "dev",
    as_json: AsJson = False,
) -> None:
    """Build and test the models on loaded data and show what would change, without loading or publishing."""
    from stack_runtime import logs

    logs.configure(level=logging.WARNING)
    check_database(database, local, "diff")
    if local:
        run, code = run_here(database, lambda pipeline: pipeline.build(plan=True))
    else:
        run, code = run_deployed(stack, None, "diff", [])
    end_with(run, code, as_json=as_json)

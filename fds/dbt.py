"""`fds dbt`: run dbt with the project's models on a copy of the published data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fds._runs import check_database, local_database
from fds.output import Stack, say

Words = Annotated[
    list[str], typer.Argument(metavar="-- ARGS", help="Arguments of dbt, such as: -- run --select my_model")
]
Local = Annotated[bool, typer.Option("--local", help="Use the data of local runs, without container and server.")]
Database = Annotated[Path | None, typer.Option("--database", help="The DuckDB file that local runs publish.")]


def command(words: Words, local: Local = False, database: Database = None, stack: Stack = "dev") -> None:
    """Run dbt on a copy of the published data; the copy is made again if new data has been published since."""
    from stack_runtime.pipeline.development import copy_published, fetch_published, run_dbt
    from stack_runtime.pipeline.paths import beside

    check_database(database, local, "dbt")
    paths = beside(local_database(database))
    if local:
        copy = copy_published(paths)
    else:
        from infra.docker_access import daemon
        from stack_runtime.paths import project_dir

        with daemon(project_dir(), stack) as client:
            copy = fetch_published(client, stack, paths.development.with_name(f"{stack}.duckdb"))
    say(f"dbt works on {copy}")
    raise typer.Exit(run_dbt(words, copy))

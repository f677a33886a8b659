"""Fill Metabase from the container that runs the pipeline: for `fds up`, and after each run that published marts."""

from __future__ import annotations

from stack_runtime import logs
from stack_runtime.errors import StackError
from stack_runtime.metabase.access import Access
from stack_runtime.metabase.starter import Filled, fill
from stack_runtime.pipeline.paths import from_environment
from stack_runtime.pipeline.postgres_config import PostgresConfig


def fill_from_environment() -> Filled:
    """Fill the Metabase of this container's stack, if it has one.

    Raises:
        StackError: Metabase does not answer or refuses a request, PostgreSQL does not answer, another process fills
            Metabase, or a file with a password cannot be read.
    """
    access, postgres = Access.from_environment(), PostgresConfig.from_environment()
    if access is None or postgres is None:
        return Filled([], [])
    return fill(access, postgres, from_environment().dbt_target / "manifest.json")


def fill_after_run() -> None:
    """Fill Metabase and log what was created; log a failure instead of raising it, because the run has succeeded."""
    log = logs.logger("metabase")
    try:
        filled = fill_from_environment()
    except StackError as error:
        log.warning("metabase was not filled", error=str(error))
        return
    if filled.made or filled.left_out:
        log.info("metabase filled", made=filled.made, left_out=filled.left_out)

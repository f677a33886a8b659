"""Run a verb of the pipeline. The runner's schedule, Airflow, `fds` and the agents call this command line."""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from stack_runtime.content import dbt_project
from stack_runtime.errors import StackError, UsageError
from stack_runtime.pipeline import meltano_env
from stack_runtime.pipeline.diff import parse_share
from stack_runtime.pipeline.marts import SCHEMA
from stack_runtime.pipeline.paths import DATABASE_NAME, from_environment
from stack_runtime.pipeline.request import Request

if TYPE_CHECKING:
    from stack_runtime.pipeline.model import Run
    from stack_runtime.pipeline.records import Records
    from stack_runtime.pipeline.run import Pipeline
    from stack_runtime.pipeline.staged import StagedPipeline

_P = TypeVar("_P", bound="Pipeline")


def main() -> int:
    """Run the verb of the command line; print a `StackError` as JSON. Returns: the exit code."""
    arguments = _parser().parse_args()
    try:
        return _call(arguments)
    except StackError as error:
        print(json.dumps(error.as_json()))
        return error.exit_code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m stack_runtime.pipeline")
    verbs = parser.add_subparsers(dest="verb", required=True)
    run = verbs.add_parser("run", help="run the pipeline once")
    run.add_argument("--csv", type=Path, help="load all rows of this file")
    run.add_argument("--upload", type=Path, help="like --csv, then remove the file and its folder")
    run.add_argument("--entity", help="entity that the file belongs to")
    run.add_argument("--source", help="load only this source")
    run.add_argument("--plan", action="store_true", help="compare with the published marts; publish nothing")
    run.add_argument(
        "--approve-over",
        help="publish nothing if more than this share of the rows of a mart would change, such as 10%%",
    )
    build = verbs.add_parser("build", help="build the models from the loaded data, test them, and publish")
    test = verbs.add_parser("test", help="test the models on a copy; publish nothing")
    diff = verbs.add_parser("diff", help="show what the models would change in the published marts; publish nothing")
    for verb in (build, test, diff):
        verb.add_argument("--select", help="models to use, in dbt's selection syntax; default: all")
    step = verbs.add_parser("step", help="run one step of a run whose steps are separate processes")
    step.add_argument("name", choices=("begin", "load", "transform", "check", "publish", "abandon"))
    step.add_argument("--run-id", required=True, help="letters, digits and hyphens")
    step.add_argument("--of", default="", help="the source to load, the group to build, or why the run is abandoned")
    verbs.add_parser("graph", help="print the sources, groups of models and marts as a Python module")
    verbs.add_parser("discover", help="list the streams that the extractors find in the landing folder")
    history = verbs.add_parser("history", help="list the last runs, newest first")
    history.add_argument("--last", type=int, default=1)
    verbs.add_parser("usage", help="measure disks and memory, and predict when they are full")
    verbs.add_parser("ready", help="exit with 0 if a run can start")
    for verb in (run, diff, history):
        verb.add_argument("--json", action="store_true", help="no effect; the output is always JSON")
    return parser


def _call(arguments: argparse.Namespace) -> int:
    if arguments.verb == "run":
        return _run(arguments)
    if arguments.verb in ("build", "test", "diff"):
        return _dbt(arguments.verb, arguments.select)
    if arguments.verb == "step":
        return _step(arguments.name, arguments.run_id, arguments.of)
    if arguments.verb == "graph":
        return _graph()
    if arguments.verb == "discover":
        return _discover()
    if arguments.verb == "usage":
        return _usage()
    return _history(arguments.last) if arguments.verb == "history" else _ready()


def _run(arguments: argparse.Namespace) -> int:
    try:
        share = None if arguments.approve_over is None else parse_share(arguments.approve_over)
        request = Request(arguments.upload or arguments.csv, arguments.entity, arguments.source, arguments.plan, share)
        return _print_result(_pipeline(), lambda pipeline: pipeline.run(request), publishes=not arguments.plan)
    finally:
        if arguments.upload:
            shutil.rmtree(arguments.upload.parent, ignore_errors=True)


def _dbt(verb: str, select: str | None) -> int:
    if verb == "test":
        return _print_result(_pipeline(), lambda pipeline: pipeline.test(select))
    plan = verb == "diff"
    return _print_result(_pipeline(), lambda pipeline: pipeline.build(select, plan=plan), publishes=not plan)


def _step(name: str, run_id: str, of: str) -> int:
    from stack_runtime.pipeline.staged import StagedPipeline

    if not re.fullmatch(r"[A-Za-z0-9-]{1,80}", run_id):
        raise UsageError(f"a run cannot have the id {run_id[:80]!r}", next_command="use letters, digits and hyphens")

    def work(pipeline: StagedPipeline) -> tuple[Run, StackError | None]:
        if name == "publish":
            return pipeline.publish(run_id)
        step = {"load": pipeline.load, "transform": pipeline.transform, "abandon": pipeline.abandon}.get(name)
        if step:
            return step(run_id, of), None
        return (pipeline.begin if name == "begin" else pipeline.check)(run_id), None

    return _print_result(_new(StagedPipeline), work, publishes=True)


def _graph() -> int:
    from stack_runtime.pipeline.model_groups import graph_module
    from stack_runtime.pipeline.sources import declared_sources
    from stack_runtime.pipeline.transform import Dbt

    with tempfile.TemporaryDirectory() as folder:
        dbt = Dbt(Path(folder) / DATABASE_NAME, Path(folder) / "target")
        groups = dbt.groups()
        marts = [name for schema, name in dbt.relations() if schema == SCHEMA]
    print(graph_module([source.name for source in declared_sources()], groups, marts))
    return 0


def _pipeline() -> Pipeline:
    from stack_runtime.pipeline.run import Pipeline

    return _new(Pipeline)


def _new(kind: type[_P]) -> _P:
    from stack_runtime import logs
    from stack_runtime.pipeline.postgres_config import PostgresConfig

    logs.configure()
    log = logs.logger("pipeline")
    return kind(from_environment(), PostgresConfig.from_environment(), lambda step: log.info("step begins", step=step))


def _print_result(pipeline: _P, work: Callable[[_P], tuple[Run, StackError | None]], *, publishes: bool = False) -> int:
    """Call `work` with the pipeline and print the returned run as JSON; log an error of `work` and raise it again.

    Args:
        publishes: whether the run was meant to publish. If so, and if the run has ended, write its outcome to the
            metrics file. If the run has published, also add its marts to Metabase.

    Returns: the exit code.
    """
    from stack_runtime import logs
    from stack_runtime.metabase.after_run import fill_after_run

    try:
        run, failure = work(pipeline)
    except StackError as error:
        logs.logger("pipeline").warning("run refused", error=str(error))
        raise
    if publishes and run.finished_at:
        _leave_measurements(run)
    if publishes and run.published:
        fill_after_run()
    print(json.dumps(run.as_json()))
    return failure.exit_code if failure else 0


def _leave_measurements(run: Run) -> None:
    """Write the metrics of `run` and record the use of disks and memory; log an error instead of raising it.

    A local pipeline has no metrics file, so nothing is written for it.
    """
    from stack_runtime import logs
    from stack_runtime.pipeline.metrics import write_metrics
    from stack_runtime.pipeline.run import user_errors
    from stack_runtime.pipeline.usage import measure

    paths = from_environment()
    if paths.metrics is None:
        return
    try:
        with user_errors(paths.root):
            write_metrics(run, paths)
            _records().save_usage(measure(paths, datetime.now(UTC)))
    except (OSError, StackError) as error:
        logs.logger("pipeline").warning("measurements not written", error=str(error))


def _discover() -> int:
    from stack_runtime.pipeline.discover import discover

    print(json.dumps(discover(from_environment())))
    return 0


def _history(count: int) -> int:
    print(json.dumps([run.as_json() for run in _records().latest(count)]))
    return 0


def _usage() -> int:
    from stack_runtime.pipeline.usage import growths, measure

    samples = [*_records().usage(), *measure(from_environment(), datetime.now(UTC))]
    print(json.dumps([growth.as_json() for growth in growths(samples)]))
    return 0


def _records() -> Records:
    from stack_runtime.pipeline.postgres_config import PostgresConfig
    from stack_runtime.pipeline.records import Records

    return Records(from_environment(), PostgresConfig.from_environment())


def _ready() -> int:
    """Check that Meltano, its plugins and dbt are installed, and that the data folders are writable.

    Docker's health check calls this function often. So that it is fast, it only looks at files.

    Returns: the exit code.
    """
    paths = from_environment()
    installed = meltano_env.ready() and (dbt_project() / "dbt_project.yml").exists() and find_spec("dbt") is not None
    folders = (paths.landing, paths.root, paths.published.parent)
    return 0 if installed and all(os.access(folder, os.W_OK) for folder in folders) else 1


if __name__ == "__main__":
    sys.exit(main())

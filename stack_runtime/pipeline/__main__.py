"""The runner's own command line: `run`, `history` and `ready`; Airflow and `fds` call it in the container."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

from stack_runtime import logs
from stack_runtime.errors import StackError, UsageError
from stack_runtime.pipeline import meltano_env
from stack_runtime.pipeline.places import DBT_PROJECT, Places, of_runner


def main() -> int:
    """Returns: the exit code; an expected failure is told as JSON on stdout."""
    parser = argparse.ArgumentParser(prog="python -m stack_runtime.pipeline")
    verbs = parser.add_subparsers(dest="verb", required=True)
    run = verbs.add_parser("run", help="run the pipeline once")
    run.add_argument("--csv", type=Path, help="load this file whole")
    run.add_argument("--upload", type=Path, help="the same, and remove the file and its folder afterwards")
    history = verbs.add_parser("history", help="the last runs, newest first")
    history.add_argument("--last", type=int, default=1)
    verbs.add_parser("ready", help="whether a run could begin")
    for verb in (run, history):
        verb.add_argument("--json", action="store_true", help="the answer is JSON in any case")
    asked = parser.parse_args()
    logs.configure()
    try:
        if asked.verb == "run":
            return _run(asked.csv, asked.upload)
        return _history(asked.last) if asked.verb == "history" else _ready()
    except StackError as error:
        print(json.dumps(error.as_json()))
        return error.exit_code


def _run(csv: Path | None, upload: Path | None) -> int:
    from stack_runtime.pipeline.run import Pipeline
    from stack_runtime.pipeline.server import Server

    log = logs.logger("pipeline")
    pipeline = Pipeline(_places(), Server.from_environment(), lambda step: log.info("step begins", step=step))
    try:
        run, failure = pipeline.run(upload or csv)
    finally:
        if upload:
            shutil.rmtree(upload.parent, ignore_errors=True)
    print(json.dumps(run.as_json()))
    return failure.exit_code if failure else 0


def _history(count: int) -> int:
    from stack_runtime.pipeline.records import Records
    from stack_runtime.pipeline.server import Server

    print(json.dumps([run.as_json() for run in Records(_places(), Server.from_environment()).latest(count)]))
    return 0


def _ready() -> int:
    """Cheap enough for a health check: what a run needs is there, and the data folders can be written."""
    places = _places()
    installed = meltano_env.ready() and (DBT_PROJECT / "dbt_project.yml").exists() and find_spec("dbt") is not None
    folders = (places.landing, places.root, places.published.parent)
    return 0 if installed and all(os.access(folder, os.W_OK) for folder in folders) else 1


def _places() -> Places:
    folder = os.environ.get("FDS_DATA_DIR")
    if not folder:
        raise UsageError("FDS_DATA_DIR is not set", next_command="fds run --local, where there is no runner")
    return of_runner(Path(folder))


if __name__ == "__main__":
    sys.exit(main())

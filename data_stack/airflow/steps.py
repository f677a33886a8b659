"""Run a step of the pipeline in an Airflow task, as a separate process of `python -m stack_runtime.pipeline`."""

from __future__ import annotations

import ctypes
import hashlib
import json
import logging
import os
import signal
import subprocess
import tempfile
from datetime import datetime
from typing import Any

from airflow.sdk import get_current_context
from airflow.sdk.exceptions import AirflowException, AirflowFailException

POOL = "duckdb"
"""Pool with one slot, created by `start.sh`, so that one task at a time writes the DuckDB file."""
_PYTHON = "/app/.venv/bin/python"
_USELESS_TO_RETRY = (2, 3, 4, 6)
"""Exit codes of errors that a retry would only repeat: invalid usage, refusal, unknown price, failed check."""

log = logging.getLogger(__name__)


def run_id_of(dag_run: Any) -> str:
    """Return the pipeline's run id for a DAG run. Retries share the id; a cleared DAG run gets a new id."""
    began: datetime = dag_run.start_date
    identity = f"{dag_run.run_id} {getattr(dag_run, 'clear_number', 0)}"
    return f"{began:%Y%m%dT%H%M%SZ}-{hashlib.sha256(identity.encode()).hexdigest()[:6]}"


def run_step(name: str, of: str = "") -> dict[str, Any]:
    """Run one step of the pipeline run that belongs to this task's DAG run.

    Args:
        of: for `load`, the source; for `transform`, the group of models; for `abandon`, the reason; otherwise empty.
    Returns: the JSON of the pipeline run.
    Raises:
        AirflowFailException: the step failed, and a retry would fail too.
        AirflowException: the step failed, and a retry may succeed.
    """
    run_id = run_id_of(get_current_context()["dag_run"])
    code, document = call_pipeline("step", name, "--run-id", run_id, "--of", of)
    if code:
        place, follow = document.get("where") or "", document.get("next") or ""
        reason = f"{document.get('error')}{f' ({place})' if place else ''}{f'; next: {follow}' if follow else ''}"
        raise (AirflowFailException if code in _USELESS_TO_RETRY else AirflowException)(reason)
    return dict(document)


def call_pipeline(*words: str) -> tuple[int, Any]:
    """Run the pipeline's command line, log its output, and return its exit code and the JSON that it prints."""
    command = [_PYTHON, "-m", "stack_runtime.pipeline", *words]
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command, cwd="/app", stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.PIPE, text=True,
            start_new_session=True, preexec_fn=_die_with_parent, env={**os.environ, "FDS_CONTAINER_LOG": ""},
        )  # fmt: skip
        try:
            for line in process.stderr or ():
                log.info("%s", line.rstrip())
            code = process.wait()
        except BaseException:  # the task timed out or was stopped
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
        output.seek(0)
        try:
            document = json.loads(output.read())
        except ValueError:
            document = {"error": f"the step ended without an answer, exit code {code}"}
    return code, document


def _die_with_parent() -> None:
    """Ask the kernel to kill the step when its task dies, so that a retry can take the pipeline's lock."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)

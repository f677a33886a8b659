"""Write the outcome of the last run as a file in Prometheus' text format, for node-exporter's textfile collector."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from stack_runtime.files import write_atomically
from stack_runtime.pipeline.model import Run
from stack_runtime.pipeline.paths import PipelinePaths

PREFIX = "fds_pipeline_"
CHECK_STATUSES = ("pass", "warn", "fail", "error", "skipped")


def write_metrics(run: Run, paths: PipelinePaths) -> None:
    """Replace the metrics file of a runner; write nothing for a local run or a run that has not ended.

    The time of the last publication is the modification time of the published database.

    Raises:
        OSError: the file cannot be written.
    """
    if paths.metrics is None or run.finished_at is None:
        return
    ended = run.finished_at
    texts = [
        _gauge("last_run_succeeded", "Whether the last run succeeded.", int(run.status == "succeeded")),
        _gauge("last_run_timestamp_seconds", "When the last run ended.", round(ended.timestamp())),
        _gauge("last_run_seconds", "How long the last run took.", round((ended - run.started_at).total_seconds(), 3)),
        _gauges("last_run_rows", "Rows of the last run.", "kind", vars(run.rows)),
        _gauges("last_run_checks", "Checks of the last run.", "status", _checks(run)),
    ]
    if paths.published.exists():
        published = round(paths.published.stat().st_mtime)
        texts.append(_gauge("published_timestamp_seconds", "When data was last published.", published))
    write_atomically(paths.metrics, "".join(texts))


def _checks(run: Run) -> dict[str, int]:
    """Return the number of checks by status, with 0 for a status without checks, so that each series continues."""
    counts = Counter(check.status for check in run.checks)
    return {status: counts[status] for status in CHECK_STATUSES}


def _gauge(name: str, text: str, value: float) -> str:
    return f"{_head(name, text)}{PREFIX}{name} {value}\n"


def _gauges(name: str, text: str, label: str, values: Mapping[str, int]) -> str:
    """Return one series for each value of a label."""
    lines = [f'{PREFIX}{name}{{{label}="{key}"}} {value}\n' for key, value in values.items()]
    return _head(name, text) + "".join(lines)


def _head(name: str, text: str) -> str:
    return f"# HELP {PREFIX}{name} {text}\n# TYPE {PREFIX}{name} gauge\n"

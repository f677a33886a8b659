"""Write the outcome of the last run as a file in Prometheus' text format, for node-exporter's textfile collector."""

from __future__ import annotations

from stack_runtime.files import write_atomically
from stack_runtime.pipeline.model import Run
from stack_runtime.pipeline.paths import PipelinePaths


def write_metrics(run: Run, paths: PipelinePaths) -> None:
    """Replace the metrics file of a runner; write nothing for a local run or one that has not ended.

    The time of the last change of the published database is the age of the data.

    Raises:
        OSError: the file cannot be written.
    """
    if paths.metrics is None or run.finished_at is None:
        return
    gauges = {
        "fds_pipeline_last_run_succeeded": ("Whether the last run succeeded.", int(run.status == "succeeded")),
        "fds_pipeline_last_run_timestamp_seconds": ("When the last run ended.", round(run.finished_at.timestamp())),
    }
    if paths.published.exists():
        age = ("When data was last published.", round(paths.published.stat().st_mtime))
        gauges["fds_pipeline_published_timestamp_seconds"] = age
    lines = [f"# HELP {name} {text}\n# TYPE {name} gauge\n{name} {value}\n" for name, (text, value) in gauges.items()]
    write_atomically(paths.metrics, "".join(lines))

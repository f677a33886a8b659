"""Write the outcome of the last run as a file in Prometheus' text format, for node-exporter's textfile collector."""

from __future__ import annotations

import os
from pathlib import Path

from stack_runtime.files import write_atomically
from stack_runtime.pipeline.model import Run

FILE = "pipeline.prom"


def write_metrics(run: Run, published: Path) -> None:
    """Replace the metrics file in the folder `FDS_METRICS_DIR`; without this variable, write nothing.

    Args:
        run: a finished run.
        published: the published database; the time of its last change is the age of the data.

    Raises:
        OSError: the file cannot be written.
    """
    folder = os.environ.get("FDS_METRICS_DIR")
    if not folder or run.finished_at is None:
        return
    gauges = {
        "fds_pipeline_last_run_succeeded": ("Whether the last run succeeded.", int(run.status == "succeeded")),
        "fds_pipeline_last_run_timestamp_seconds": ("When the last run ended.", round(run.finished_at.timestamp())),
    }
    if published.exists():
        age = ("When data was last published.", round(published.stat().st_mtime))
        gauges["fds_pipeline_published_timestamp_seconds"] = age
    lines = [f"# HELP {name} {text}\n# TYPE {name} gauge\n{name} {value}\n" for name, (text, value) in gauges.items()]
    write_atomically(Path(folder) / FILE, "".join(lines))

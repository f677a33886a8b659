"""Define PromQL expressions for the memory and CPU that each service uses; they have no value if the metrics are old.

The metrics file stays readable when nothing writes it any more, so every expression checks the age of the file.
"""

from __future__ import annotations

from infra.services.node_exporter import CONTAINERS_FILE, CONTAINERS_FOLDER

RECENT_S = 120
"""Maximum age in seconds of metrics that are shown; they are written every 30 s."""

AGE = f'time() - max(node_textfile_mtime_seconds{{file="{CONTAINERS_FOLDER}/{CONTAINERS_FILE}"}})'
"""Seconds since the metrics file of the containers was last written."""
RECENT = f"({AGE} < {RECENT_S})"
"""Condition that has a value only while the metrics are recent."""

_HELD = "(container_memory_working_set_bytes - container_memory_total_active_file_bytes)"


def _of_services(aggregation: str, expression: str) -> str:
    return f"({aggregation} by (service) ({expression}) and on () {RECENT})"


MEMORY = _of_services("sum", _HELD)
"""Memory of each service in bytes: the sum of its replicas, without the page cache, as in `fds status`."""
MEMORY_LIMIT = _of_services("sum", "container_spec_memory_limit_bytes")
MEMORY_SHARE = _of_services("max", f"{_HELD} / container_spec_memory_limit_bytes")
"""For each service, the highest share of the memory limit that one of its replicas uses."""


def processors(window: str) -> str:
    """Return the expression for the CPU cores that each service uses, all replicas together.

    Args:
        window: time range of the average in PromQL, such as `[5m]`.
    """
    return _of_services("sum", f"rate(container_cpu_usage_seconds_total{window})")

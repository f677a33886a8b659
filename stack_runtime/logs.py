"""Write structured logs to stderr: one JSON object per line in containers, readable lines on a terminal."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
from pathlib import Path
from typing import Any, TextIO

import structlog

CONTAINER_LOG = "FDS_CONTAINER_LOG"
"""Environment variable with the path of the container's log, that is, the standard error of its first process.

`fds logs` shows only this log. A command that `docker exec` starts has a standard error of its own, so it also writes
its log lines to this path.
"""


def configure(*, level: int = logging.INFO) -> None:
    """Send log lines of `level` and above to stderr, and to the container's log if `FDS_CONTAINER_LOG` names one.

    Lines are JSON unless stderr is a terminal.
    """
    renderer: structlog.typing.Processor = structlog.processors.JSONRenderer()
    if sys.stderr.isatty():
        renderer = structlog.dev.ConsoleRenderer(pad_event_to=0)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(_stream()),
        cache_logger_on_first_use=False,
    )


def _stream() -> Any:
    """Return the stream for log lines: stderr, and also the container's log if that is another file."""
    path = os.environ.get(CONTAINER_LOG)
    with contextlib.suppress(OSError):
        if path and not os.path.samestat(Path(path).stat(), os.fstat(sys.stderr.fileno())):
            log = os.fdopen(os.open(path, os.O_WRONLY), "w", buffering=1, encoding="utf-8")
            return _Both(sys.stderr, log)
    return sys.stderr


class _Both(io.TextIOBase):
    """Text stream that writes to two streams; errors of the second stream are ignored."""

    def __init__(self, first: TextIO, second: TextIO) -> None:
        self._first, self._second = first, second

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError):
            self._second.write(text)
        return self._first.write(text)

    def flush(self) -> None:
        self._first.flush()


def logger(name: str) -> structlog.typing.FilteringBoundLogger:
    """Return a logger whose lines have the field `part` with the value `name`."""
    log: structlog.typing.FilteringBoundLogger = structlog.get_logger(part=name)
    return log

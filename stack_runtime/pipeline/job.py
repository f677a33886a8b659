"""Announce, time and record the steps of a run in progress."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

from stack_runtime import logs
from stack_runtime.pipeline.model import Run, Status, Step
from stack_runtime.pipeline.records import Records
from stack_runtime.text import Say


class Job:
    """A run in progress; each step is recorded when it ends.

    Args:
        say: called with the name of each step as it begins.
    """

    def __init__(self, run: Run, records: Records, say: Say) -> None:
        self.run = run
        self._records = records
        self._say = say
        self._log = logs.logger("pipeline").bind(run_id=run.run_id)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Announce a step, run the block, and record its duration."""
        self._say(name)
        began = time.monotonic()
        try:
            yield
        finally:
            step = Step(name, round(time.monotonic() - began, 3))
            self.run = self.run.with_step(step)
            self._log.info("step ended", step=name, seconds=step.seconds)
        self.save()

    def save(self) -> None:
        """Record the current state of the run."""
        self._records.save(self.run)

    def finish(self, status: Status, error: str = "") -> None:
        """Record the end of the run; `published` is cleared unless the run succeeded."""
        published = self.run.published if status == "succeeded" else None
        self.run = replace(self.run, status=status, error=error, published=published, finished_at=datetime.now(UTC))
        rows = vars(self.run.rows)
        self._log.info("run ended", status=status, error=error, **{f"rows_{key}": value for key, value in rows.items()})
        self.save()

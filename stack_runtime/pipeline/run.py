"""One run: extract_load, transform, test, publish, under a lock, with a record of each step.

Order and crashes: a run works on a private copy of the published database. It is sealed, copied next to the
published file and flushed; then the marts go to PostgreSQL in one transaction; then one rename puts the file, with
the state in it, in place. Killed before the rename, nothing has happened but perhaps newer marts in PostgreSQL, and
the next run reads the same rows from the same state and makes both agree. Killed after it, only the record is open,
and the next run closes it.
"""

from __future__ import annotations

import secrets
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import psycopg

from stack_runtime import logs
from stack_runtime.errors import CheckFailedError, StackError, UnreachableError, UsageError
from stack_runtime.pipeline import meltano_env
from stack_runtime.pipeline.workspace import begin_work, end_work, published_run, seal, system_database
from stack_runtime.pipeline.disk import copy_durably, is_full, no_space, replace_durably
from stack_runtime.pipeline.extract_load import Work, extract_load, landed
from stack_runtime.pipeline.lock import run_lock
from stack_runtime.pipeline.marts import publish_marts
from stack_runtime.pipeline.model import Check, Run, Step
from stack_runtime.pipeline.paths import PipelinePaths, readable
from stack_runtime.pipeline.records import Records
from stack_runtime.pipeline.postgres_config import PostgresConfig
from stack_runtime.pipeline.transform import Dbt

Say = Callable[[str], None]

FEW = 20
"""Quarantined rows that a person can look at one by one."""
MOST_UNREADABLE = 0.2
"""The share of rows that may be quarantined; dbt's checks hold values that other loaders bring to the same."""


Steps = Callable[["_Job", Work], None]


class Pipeline:
    """Runs of one pipeline.

    Args:
        paths: where it keeps what.
        server: where marts and records go too, if anywhere.
        say: told what begins, for a person who watches.
    """

    def __init__(self, paths: PipelinePaths, server: PostgresConfig | None, say: Say) -> None:
        self._paths = paths
        self._server = server
        self._say = say
        self._records = Records(paths, server)

    def run(self, csv: Path | None = None) -> tuple[Run, StackError | None]:
        """Load `csv` whole, or what is new in the landing folder, and publish if every check passes.

        Returns: the run as recorded, and why it failed if it did.
        Raises:
            StackError: it could not even begin: no such file, nothing installed, held by another run.
        """
        source = readable(csv) if csv else None

        def steps(job: _Job, work: Work) -> None:
            self._load(job, work, source)
            self._models(job, work, None)
            self._publish(job, work)

        with _expected(self._paths.root):
            self._paths.make()
            if not source and not landed(self._paths.landing):
                where = str(self._paths.landing)
                raise UsageError("no CSV file in the landing folder", where=where, next_command="fds run --csv FILE")
            meltano_env.prepare(self._say)
            return self._alone(str(source or self._paths.landing), steps)

    def build(self, select: str | None = None) -> tuple[Run, StackError | None]:
        """Build the models (or those of dbt's selection) from what is loaded already, and publish as `run` does."""

        def steps(job: _Job, work: Work) -> None:
            self._models(job, work, select)
            self._publish(job, work)

        return self._on_published(f"dbt build {select or ''}".strip(), steps)

    def test(self, select: str | None = None) -> tuple[Run, StackError | None]:
        """Test the models as they are published, on a copy; nothing is published."""
        source = f"dbt test {select or ''}".strip()
        return self._on_published(source, lambda job, work: self._checks(job, work, select))

    def _on_published(self, source: str, steps: Steps) -> tuple[Run, StackError | None]:
        with _expected(self._paths.root):
            self._paths.make()
            if not self._paths.published.is_file():
                where = str(self._paths.published)
                raise UsageError("no data is published yet", where=where, next_command="fds run --csv FILE")
            return self._alone(source, steps)

    def _alone(self, source: str, steps: Steps) -> tuple[Run, StackError | None]:
        run_id = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
        with run_lock(self._paths.lock, run_id, self._server):
            self._records.settle(published_run(self._paths.published))
            return self._locked(run_id, source, steps)

    def _locked(self, run_id: str, source: str, steps: Steps) -> tuple[Run, StackError | None]:
        job = _Job(Run(run_id, datetime.now(UTC), source), self._records, self._say)
        job.save()
        work = begin_work(self._paths, run_id)
        try:
            with _expected(self._paths.root):
                steps(job, work)
        except StackError as error:
            self._keep_quarantine(work, run_id)
            if not any(check.stops for check in job.run.checks):
                end_work(work)  # else the stored failures in it can be looked at until the next run
            job.finish(status="failed", error=str(error))
            return job.run, error
        self._keep_quarantine(work, run_id)
        end_work(work)
        job.finish(status="succeeded", published=job.run.published)
        return job.run, None

    def _load(self, job: _Job, work: Work, csv: Path | None) -> None:
        with job.step("extract_load"):
            database = system_database(self._paths)
            rows, quarantined = extract_load(work, self._paths.landing, csv, database, self._server)
            job.run = replace(job.run, rows=rows, quarantined=quarantined)
            _refuse_unreadable(job.run)
            added_up = Check("rows_read_are_loaded_or_quarantined", "pass", 0.0, 0.0)  # or it had failed
            job.run = replace(job.run, checks=(added_up,))

    def _models(self, job: _Job, work: Work, select: str | None) -> None:
        with job.step("transform"):
            self._dbt(work).transform(select)
        self._checks(job, work, None)

    def _dbt(self, work: Work) -> Dbt:
        return Dbt(self._paths.current / work.database.name, self._paths.dbt_target)

    def _checks(self, job: _Job, work: Work, select: str | None) -> None:
        with job.step("test"):
            job.run = replace(job.run, checks=(*job.run.checks, *self._dbt(work).test(select)))
        failed = [check.test_name for check in job.run.checks if check.stops]
        if failed:
            raise CheckFailedError(
                f"{len(failed)} of {len(job.run.checks)} checks failed, nothing was published: {', '.join(failed[:5])}",
                where=str(work.database),
                next_command="look at the stored failures there, correct the data, run again",
            )

    def _publish(self, job: _Job, work: Work) -> None:
        published = self._paths.published
        with job.step("publish"):
            seal(work, job.run.run_id)
            incoming = published.with_name(f".{published.name}.incoming")
            try:
                copy_durably(work.database, incoming)
                if self._server:
                    publish_marts(work.database, self._server, work.folder)
                replace_durably(incoming, published)
            finally:
                incoming.unlink(missing_ok=True)
            job.run = replace(job.run, published=str(published))

    def _keep_quarantine(self, work: Work, run_id: str) -> None:
        if work.quarantine.is_dir() and any(work.quarantine.rglob("*.jsonl")):
            shutil.move(work.quarantine, self._paths.quarantine / run_id)


def _refuse_unreadable(run: Run) -> None:
    """A few bad rows never stop a run; what is left of a file that was mostly misread must not pass for the data.

    Raises:
        CheckFailedError: no row could be loaded, or more than `FEW` were not and they are over `MOST_UNREADABLE`.
    """
    rows = run.rows
    if (rows.read and not rows.loaded) or (rows.quarantined > FEW and rows.quarantined > MOST_UNREADABLE * rows.read):
        first = run.quarantined[0]
        raise CheckFailedError(
            f"{rows.quarantined} of {rows.read} rows cannot be loaded, nothing was published; "
            f"the first is line {first.line} of {first.file}: {first.reason}",
            where="extract_load",
            next_command="correct the file, run again",
        )


class _Job:
    """The run in progress: each step is timed, told, and recorded as soon as it is over."""

    def __init__(self, run: Run, records: Records, say: Say) -> None:
        self.run = run
        self._records = records
        self._say = say
        self._log = logs.logger("pipeline").bind(run_id=run.run_id)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
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
        self._records.save(self.run)

    def finish(self, status: str, error: str = "", published: str | None = None) -> None:
        self.run = replace(
            self.run, status=status, error=error, published=published, finished_at=datetime.now(UTC)  # type: ignore[arg-type]
        )
        rows = vars(self.run.rows)
        self._log.info("run ended", status=status, error=error, **{f"rows_{key}": value for key, value in rows.items()})
        self.save()


@contextmanager
def _expected(folder: Path) -> Iterator[None]:
    """What may go wrong anywhere (a full disk, a server that goes away) as the error that a user may see."""
    try:
        yield
    except (OSError, sqlite3.Error, duckdb.Error, psycopg.Error) as error:
        if is_full(error):
            raise no_space(folder) from None
        if isinstance(error, psycopg.OperationalError):
            raise UnreachableError("PostgreSQL broke off", where=str(error)[:200], next_command="fds status") from None
        raise

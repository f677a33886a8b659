"""Run the pipeline once: extract_load, transform, test and publish, under a lock, with a record of each step.

A run works on a private copy of the published database and publishes in this order:

1. It writes the documentation of the models to a file next to the published documentation.
2. It writes run id and state into the private copy, copies this copy next to the published database and flushes it.
3. It writes the marts as Parquet files into a new folder.
4. It replaces the marts in PostgreSQL in one transaction.
5. It renames the documentation, and then the database (which contains the state), to their published names.
6. It points the link to the Parquet files to the new folder.

If a run is killed before the database is renamed, the published database is unchanged, while PostgreSQL and the
documentation may be newer. The next run starts from the same state, reads the same rows and publishes everything. If a
run is killed between 5 and 6, the status of the run is still `running` and the Parquet files are old. The next run sets
the status to `succeeded` and replaces the files.
"""

from __future__ import annotations

import secrets
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import psycopg

from stack_runtime.errors import CheckFailedError, StackError, UnreachableError, UsageError
from stack_runtime.pipeline import meltano_env
from stack_runtime.pipeline.diff import compare_marts
from stack_runtime.pipeline.disk import copy_durably, is_full, no_space, replace_durably
from stack_runtime.pipeline.job import Job
from stack_runtime.pipeline.loading import load, refusal_of, refuse_large_changes, refuse_unreadable
from stack_runtime.pipeline.lock import refusal, run_lock
from stack_runtime.pipeline.marts import SCHEMA, export_parquet, remove_exports, replace_export
from stack_runtime.pipeline.model import Run
from stack_runtime.pipeline.paths import PipelinePaths, readable
from stack_runtime.pipeline.postgres_config import PostgresConfig
from stack_runtime.pipeline.postgres_marts import publish_marts
from stack_runtime.pipeline.records import Records
from stack_runtime.pipeline.request import Request
from stack_runtime.pipeline.sources import (
    Selection,
    Source,
    declared_sources,
    refuse_empty,
    refuse_nothing_declared,
    select_entity,
    select_landed,
    select_sources,
)
from stack_runtime.pipeline.transform import Dbt
from stack_runtime.pipeline.workspace import (
    Workspace,
    begin_work,
    end_work,
    published_run,
    seal,
    system_database,
)
from stack_runtime.text import Say

Steps = Callable[[Job, Workspace], None]


class Pipeline:
    """Run one pipeline.

    Args:
        paths: folders and files of the pipeline.
        postgres: connection to PostgreSQL, which stores marts and records; None if the stack has no PostgreSQL.
        say: called with a progress message when a step begins.
    """

    def __init__(self, paths: PipelinePaths, postgres: PostgresConfig | None, say: Say) -> None:
        self._paths = paths
        self._postgres = postgres
        self._say = say
        self._records = Records(paths, postgres)

    def run(self, request: Request | None = None) -> tuple[Run, StackError | None]:
        """Load, transform and test; publish, unless a check or `request` prevents it.

        Returns: the recorded run and its error; None if it has no error. A run that published also has an error if
            some files were refused.
        Raises:
            StackError: the run could not start: a file, source or installation is missing, or another run holds the
                lock.
        """
        request = request or Request()
        csv = readable(request.csv) if request.csv else None

        def steps(job: Job, work: Workspace) -> None:
            dbt = self._dbt(work)
            with ThreadPoolExecutor(1) as executor:
                parsed = executor.submit(dbt.parse)  # parse during the load, because parsing takes seconds
                self._load(job, work, request, csv)
                parsed.result()
            self._models(job, work, dbt, None)
            self._deliver(job, work, dbt, request)

        with user_errors(self._paths.root):
            self._paths.make()
            declared = declared_sources()
            if csv:
                refuse_nothing_declared(declared)
                select_entity(select_sources(declared, request.source), request.entity)
            else:
                self._refuse_nothing(declared, request.source)
            meltano_env.prepare(self._say)
            return self._alone(str(csv or request.source or self._paths.landing), steps)

    def _refuse_nothing(self, declared: Sequence[Source], source: str | None) -> None:
        """Refuse a run with nothing to load: all its sources read files, and none of their entities has a file."""
        refuse_nothing_declared(declared)
        selection = select_landed(declared, self._paths.landing, source)
        if not selection.sources:
            refuse_empty(selection, self._paths.landing)

    def build(self, select: str | None = None, *, plan: bool = False) -> tuple[Run, StackError | None]:
        """Build the models from the published raw data, test them, and publish.

        Args:
            select: models in dbt's selection syntax; None for all models.
            plan: compare with the published marts and publish nothing.
        """

        def steps(job: Job, work: Workspace) -> None:
            dbt = self._dbt(work)
            self._models(job, work, dbt, select)
            self._deliver(job, work, dbt, Request(plan=plan))

        return self._on_published(f"dbt build {select or ''}".strip(), steps)

    def test(self, select: str | None = None) -> tuple[Run, StackError | None]:
        """Test the models, or those that match `select`, on a copy of the published database; publish nothing."""
        source = f"dbt test {select or ''}".strip()
        return self._on_published(source, lambda job, work: self._checks(job, work, self._dbt(work), select))

    def _on_published(self, source: str, steps: Steps) -> tuple[Run, StackError | None]:
        with user_errors(self._paths.root):
            self._paths.make()
            if not self._paths.published.is_file():
                where = str(self._paths.published)
                raise UsageError("no data is published yet", where=where, next_command="fds run --csv FILE")
            return self._alone(source, steps)

    def _alone(self, source: str, steps: Steps) -> tuple[Run, StackError | None]:
        run_id = new_run_id()
        with self._held(run_id):
            self._records.settle(published_run(self._paths.published))
            return self._locked(run_id, source, steps)

    @contextmanager
    def _held(self, run_id: str) -> Iterator[None]:
        """Hold the lock of the pipeline for `run_id` while the block runs.

        Raises:
            LockedError: another run holds the lock, or is between two steps and has a claim on the pipeline.
        """
        with run_lock(self._paths.lock, run_id, self._postgres):
            claim = self._records.claimed()
            if claim and claim.run_id != run_id:
                who = f"run {claim.run_id}, which is between two steps (at most until {claim.held_until:%H:%M} UTC)"
                raise refusal(who, str(self._paths.work))
            yield

    def _locked(self, run_id: str, source: str, steps: Steps) -> tuple[Run, StackError | None]:
        job = Job(Run(run_id, datetime.now(UTC), source), self._records, self._say)
        job.save()
        work = begin_work(self._paths, run_id)
        try:
            with user_errors(self._paths.root):
                steps(job, work)
        except StackError as error:
            self._keep_quarantine(work, run_id)
            if not any(check.stops for check in job.run.checks):
                end_work(work)  # after a failed check, the work folder with the failing rows stays until the next run
            job.finish("failed", str(error))
            return job.run, error
        self._keep_quarantine(work, run_id)
        end_work(work)
        refusal = refusal_of(job.run)
        job.finish("succeeded", str(refusal or ""))
        return job.run, refusal

    def _load(self, job: Job, work: Workspace, request: Request, csv: Path | None) -> None:
        declared = declared_sources()
        with job.step("extract_load"):
            if csv:
                source, entity = select_entity(select_sources(declared, request.source), request.entity)
                selection = Selection((source,), {entity: (csv,)})
            else:
                selection = select_landed(declared, self._paths.landing, request.source)
            database = system_database(self._paths)
            job.run = load(job.run, work, selection, database, self._postgres, whole=csv is not None)
            refuse_unreadable(job.run, selection)

    def _models(self, job: Job, work: Workspace, dbt: Dbt, select: str | None) -> None:
        with job.step("transform"):
            dbt.transform(select)
            dbt.remove_old_models()
        self._checks(job, work, dbt, None)

    def _dbt(self, work: Workspace) -> Dbt:
        return Dbt(self._paths.current / work.database.name, self._paths.dbt_target)

    def _checks(self, job: Job, work: Workspace, dbt: Dbt, select: str | None) -> None:
        with job.step("test"):
            job.run = replace(job.run, checks=(*job.run.checks, *dbt.test(select)))
        failed = [check.test_name for check in job.run.checks if check.stops]
        if failed:
            raise CheckFailedError(
                f"{len(failed)} of {len(job.run.checks)} checks failed, nothing was published: {', '.join(failed[:5])}",
                where=str(work.database),
                next_command="look at the failing rows in this database, correct the data, then run the command again",
            )

    def _deliver(self, job: Job, work: Workspace, dbt: Dbt, request: Request) -> None:
        """Compare with the published marts if `plan` or `approve_over` is set; then publish, unless `plan` is set.

        Raises:
            CheckFailedError: more rows of a mart would change than `approve_over` allows.
        """
        if request.plan or request.approve_over is not None:
            with job.step("diff"):
                keys = {name: key for (schema, name), key in dbt.unique_keys().items() if schema == SCHEMA}
                job.run = replace(job.run, diff=compare_marts(self._paths.published, work.database, keys))
        if request.approve_over is not None:
            refuse_large_changes(job.run, request.approve_over)
        if not request.plan:
            self._publish(job, work, dbt)

    def _publish(self, job: Job, work: Workspace, dbt: Dbt) -> None:
        published, parquet, docs = self._paths.published, self._paths.parquet, self._paths.docs
        incoming, incoming_docs = (file.with_name(f".{file.name}.incoming") for file in (published, docs))
        with job.step("publish"):
            try:
                dbt.write_docs(incoming_docs)
                seal(work, job.run.run_id)
                copy_durably(work.database, incoming)
                exported = export_parquet(work.database, parquet, job.run.run_id)
                if self._postgres:
                    publish_marts(work.database, self._postgres, work.folder)
                incoming_docs.replace(docs)
                replace_durably(incoming, published)
                replace_export(parquet, exported)
            finally:
                incoming.unlink(missing_ok=True)
                incoming_docs.unlink(missing_ok=True)
                remove_exports(parquet)
            job.run = replace(job.run, published=str(published))

    def _keep_quarantine(self, work: Workspace, run_id: str) -> None:
        if work.quarantine.is_dir() and any(work.quarantine.rglob("*.jsonl")):
            shutil.move(work.quarantine, self._paths.quarantine / run_id)


def new_run_id() -> str:
    """Return a new run id: the time in UTC and six random hexadecimal digits."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


@contextmanager
def user_errors(folder: Path) -> Iterator[None]:
    """Convert the errors of a full disk and a lost PostgreSQL connection, which any step can raise, to `StackError`."""
    try:
        yield
    except (OSError, sqlite3.Error, duckdb.Error, psycopg.Error) as error:
        if is_full(error):
            raise no_space(folder) from None
        if isinstance(error, psycopg.OperationalError):
            raise UnreachableError(
                "PostgreSQL closed the connection", where=str(error)[:200], next_command="fds status"
            ) from None
        raise

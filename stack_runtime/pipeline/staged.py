"""Run the pipeline in steps that are separate processes, such as tasks of Airflow. Each step can be repeated.

Each step works on a copy of the result of the last complete step, and one rename completes the step. A killed step
therefore leaves the last result unchanged and can be repeated. If a complete step is repeated, it does nothing, except
`begin`, which starts the run again.

Between two steps, no process holds the lock. Instead, the run has a claim on the pipeline. While the claim is valid, no
other run can start. The claim expires, so that a run whose steps do not continue does not block other runs forever.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from stack_runtime.errors import CheckFailedError, StackError, UsageError
from stack_runtime.pipeline import meltano_env
from stack_runtime.pipeline.job import Job
from stack_runtime.pipeline.loading import load, refusal_of, refuse_unreadable
from stack_runtime.pipeline.model import Run
from stack_runtime.pipeline.run import Pipeline, user_errors
from stack_runtime.pipeline.sources import Selection, declared_sources, select_landed, select_sources
from stack_runtime.pipeline.workspace import (
    Workspace,
    begin_work,
    link_current,
    published_run,
    system_database,
)

CLAIM = timedelta(minutes=30)
"""How long a run's claim is valid after a step; Airflow needs less time than this to retry a lost step."""
_NOT_COPIED = ("meltano", "batches", "meltano.log")
"""Files and folders in the work folder that only the current step uses; they are not copied for the next step."""
_STAGE_FILE = "stage.json"


@dataclass
class _Stage:
    """State of a run after a complete step, or during a step.

    Args:
        done: names of the complete steps, in order.
    """

    job: Job
    work: Workspace
    done: tuple[str, ...]


class StagedPipeline(Pipeline):
    """Run one pipeline in separate steps: `begin`, `load` each source, `transform` each group, `check`, `publish`."""

    def begin(self, run_id: str) -> Run:
        """Create the workspace of `run_id` and claim the pipeline for it.

        A repeated call starts the run again; if the run has already published, it only returns the record of the run.

        Raises:
            UsageError: there is nothing to load.
            LockedError: another run holds or claims the pipeline.
        """
        with user_errors(self._paths.root):
            self._paths.make()
            self._refuse_nothing(declared_sources(), None)
            meltano_env.prepare(self._say)
            with self._held(run_id):
                published = published_run(self._paths.published)
                if published == run_id:
                    return self._ended(run_id)
                self._records.settle(published)
                job = Job(Run(run_id, datetime.now(UTC), str(self._paths.landing)), self._records, self._say)
                job.save()
                work = begin_work(self._paths, f"{run_id}.draft")
                return self._complete(_Stage(job, work, ()), "begin")

    def load(self, run_id: str, source: str) -> Run:
        """Load the new data of `source`.

        Raises:
            UsageError: there is no such source.
            CheckFailedError: the source cannot be read, or the counts do not add up; the run ends as failed.
        """
        name = f"extract_load {source}"
        select_sources(declared_sources(), source)

        def action(stage: _Stage) -> None:
            selection = self._landed().only(source)
            with stage.job.step(name):
                if selection.sources:
                    job, database = stage.job, system_database(self._paths)
                    job.run = load(job.run, stage.work, selection, database, self._postgres)

        return self._do(run_id, name, action)

    def transform(self, run_id: str, group: str) -> Run:
        """Build the models of `group`.

        Raises:
            UsageError: there is no such group.
            CheckFailedError: all files were refused, or a model failed; the run ends as failed.
        """

        name = f"transform {group}"

        def action(stage: _Stage) -> None:
            refuse_unreadable(stage.job.run, self._landed())
            with stage.job.step(name):
                dbt = self._dbt(stage.work)
                groups = {found.name: found for found in dbt.groups()}
                if group not in groups:
                    raise UsageError(f"no models {group} are declared", next_command=f"name one of {', '.join(groups)}")
                dbt.transform(groups[group].select)

        return self._do(run_id, name, action)

    def check(self, run_id: str) -> Run:
        """Run all checks.

        Raises:
            CheckFailedError: a check failed; the run ends as failed.
        """

        def action(stage: _Stage) -> None:
            dbt = self._dbt(stage.work)
            dbt.parse()
            dbt.remove_old_models()
            self._checks(stage.job, stage.work, dbt, None)

        return self._do(run_id, "test", action)

    def publish(self, run_id: str) -> tuple[Run, StackError | None]:
        """Publish the result of the run, and end the run.

        Returns: the recorded run, and an error that names the refused files; None if no file was refused.
        """
        with self._stage_of(run_id) as stage:
            if stage is None:
                run = self._succeeded(run_id)
                return run, refusal_of(run)
            if "test" not in stage.done:
                raise UsageError(f"run {run_id} is not tested yet", next_command="test it first")
            link_current(self._paths, stage.work)  # dbt reads the database through this link
            self._publish(stage.job, stage.work, self._dbt(stage.work))
            self._keep_quarantine(stage.work, run_id)
            refusal = refusal_of(stage.job.run)
            stage.job.finish("succeeded", str(refusal or ""))
            self._end(run_id)
            return stage.job.run, refusal

    def abandon(self, run_id: str, reason: str) -> Run:
        """End a run without publishing; do not change a run that has already ended."""
        with self._stage_of(run_id) as stage:
            if stage is not None:
                stage.job.finish("failed", reason)
            self._end(run_id)
            return self._ended(run_id)

    def _landed(self) -> Selection:
        return select_landed(declared_sources(), self._paths.landing)

    def _do(self, run_id: str, name: str, action: Callable[[_Stage], None]) -> Run:
        """Run `action` on a copy of the last stage and complete the step `name`; do nothing if the step is complete."""
        with self._stage_of(run_id) as last:
            if last is None:
                return self._succeeded(run_id)
            if name in last.done:
                return last.job.run
            stage = self._copied(last, run_id)
            try:
                action(stage)
            except CheckFailedError as error:
                self._keep_quarantine(stage.work, run_id)
                stage.job.finish("failed", str(error))
                # After a failed check, keep the folder until the next run, so that a person can see the failing rows.
                self._end(run_id, keep=stage.work.folder if any(c.stops for c in stage.job.run.checks) else None)
                raise
            return self._complete(stage, name)

    @contextmanager
    def _stage_of(self, run_id: str) -> Iterator[_Stage | None]:
        """Hold the lock while the block runs, and yield the last complete stage of the run.

        If the run has ended or is unknown, yield None.

        Raises:
            LockedError: another run holds or claims the pipeline.
        """
        with user_errors(self._paths.root), self._held(run_id):
            folders = self._stages(run_id)
            if not folders:
                yield None
                return
            folder = max(folders, key=lambda found: int(found.suffix[1:]))
            found = json.loads((folder / _STAGE_FILE).read_text())
            job = Job(replace(Run.from_json(found["run"]), files=found["files"]), self._records, self._say)
            work = Workspace(folder, folder / self._paths.published.name)
            yield _Stage(job, work, tuple(found["done"]))

    def _copied(self, last: _Stage, run_id: str) -> _Stage:
        draft = self._paths.work / f"{run_id}.draft"
        shutil.rmtree(draft, ignore_errors=True)
        shutil.copytree(last.work.folder, draft, ignore=shutil.ignore_patterns(*_NOT_COPIED))
        work = Workspace(draft, draft / self._paths.published.name)
        link_current(self._paths, work)
        return _Stage(last.job, work, last.done)

    def _complete(self, stage: _Stage, name: str) -> Run:
        """Complete the step `name`: renew the run's claim, then rename the draft folder to its final name."""
        run_id, done = stage.job.run.run_id, (*stage.done, name)
        run = stage.job.run
        document = {"run": run.as_json(), "files": run.files, "done": done}
        (stage.work.folder / _STAGE_FILE).write_text(json.dumps(document))
        self._records.claim(run_id, datetime.now(UTC) + CLAIM)
        before = self._stages(run_id)
        stage.work.folder.rename(self._paths.work / f"{run_id}.{len(done)}")
        for folder in before:
            shutil.rmtree(folder, ignore_errors=True)
        return stage.job.run

    def _stages(self, run_id: str) -> list[Path]:
        """Return the folders of complete stages: none, one, or two if a process was killed in `_complete`."""
        return [folder for folder in self._paths.work.glob(f"{run_id}.*") if folder.suffix[1:].isdigit()]

    def _end(self, run_id: str, keep: Path | None = None) -> None:
        """Remove the folders of the run, except `keep`, and release the run's claim."""
        for folder in self._paths.work.glob(f"{run_id}.*"):
            if folder != keep:
                shutil.rmtree(folder, ignore_errors=True)
        self._records.release(run_id)

    def _succeeded(self, run_id: str) -> Run:
        """Return the record of a run that has succeeded.

        Raises:
            CheckFailedError: the run has failed, or another run has started and set this run to `interrupted`.
        """
        run = self._ended(run_id)
        if run.status != "succeeded":
            reason = run.error or "another run has started since then"
            raise CheckFailedError(f"run {run_id} has ended: {reason}", next_command="start another run")
        return run

    def _ended(self, run_id: str) -> Run:
        """Return the record of a run that has ended.

        If its status is still `running`, the run was killed: set the status to `succeeded` if the run has published,
        else to `failed`.
        """
        self._records.release(run_id)
        run = self._records.find(run_id)
        if run is None:
            raise UsageError(f"there is no run {run_id}", next_command="begin it first")
        if run.status == "running":
            published = published_run(self._paths.published)
            job = Job(run, self._records, self._say)
            job.finish("succeeded" if published == run_id else "failed", run.error)
            run = job.run
        return run

"""Where a stack's data lies and its pipeline runs: in the runner's container, or on this machine for local runs."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from stack_runtime.errors import StackError, UnreachableError
from stack_runtime.pipeline.paths import DATABASE_NAME, PipelinePaths, beside, of_runner

if TYPE_CHECKING:
    from docker.models.containers import Container

RUNNER_DATA = Path("/data")
_SECRET = re.compile("KEY|TOKEN|SECRET|PASS", re.IGNORECASE)
"""Variables that no query and no load needs to know."""
_NOTHING_YET = "fds run --csv FILE"


class PipelineTarget(Protocol):
    """Where a pipeline runs and keeps its data. Arguments never pass through a shell."""

    def published(self) -> str:
        """The path of the published DuckDB file on the target.

        Raises:
            UnreachableError: nothing is published yet.
        """

    def call(self, module: str, *words: str, seconds: float) -> tuple[int, str]:
        """Run `python -m MODULE WORDS` there. Returns: its exit code and its standard output.

        Raises:
            UnreachableError: it took longer than `seconds`.
        """

    def artefact(self, name: str) -> str:
        """The text of a file that dbt left there.

        Raises:
            UnreachableError: there is none.
        """


@dataclass(frozen=True)
class LocalTarget:
    """This machine: the published file is `database`, dbt's artefacts are in the folder `target`."""

    database: Path
    target: Path

    def published(self) -> str:
        if not self.database.is_file():
            raise UnreachableError("no data is published yet", where=str(self.database), next_command=_NOTHING_YET)
        return str(self.database)

    def call(self, module: str, *words: str, seconds: float) -> tuple[int, str]:
        environment = {key: value for key, value in os.environ.items() if not _SECRET.search(key)}
        environment["FDS_DATABASE"] = str(self.database)
        command = [sys.executable, "-m", module, *words]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=seconds, env=environment, check=False
            )
        except subprocess.TimeoutExpired:
            raise _too_long(seconds) from None
        return done.returncode, done.stdout

    def artefact(self, name: str) -> str:
        try:
            return (self.target / name).read_text(encoding="utf-8")
        except FileNotFoundError:
            raise _no_artefact(name, str(self.target)) from None


@dataclass(frozen=True)
class ContainerTarget:
    """The pipeline's container."""

    container: Container

    @property
    def paths(self) -> PipelinePaths:
        return of_runner(RUNNER_DATA)

    def published(self) -> str:
        if self.container.exec_run(["test", "-f", str(self.paths.published)]).exit_code:
            raise UnreachableError("no data is published yet", next_command=_NOTHING_YET)
        return str(self.paths.published)

    def call(self, module: str, *words: str, seconds: float) -> tuple[int, str]:
        command = ["timeout", f"{seconds:g}", "python", "-m", module, *words]
        code, (out, _) = self.container.exec_run(command, demux=True)
        if code == 124:
            raise _too_long(seconds)
        assert code is not None and not isinstance(out, int)  # as `demux` answers
        return code, (out or b"").decode(errors="replace")

    def artefact(self, name: str) -> str:
        from docker.errors import NotFound

        try:
            stream, _ = self.container.get_archive(str(self.paths.dbt_target / name))
        except NotFound:
            raise _no_artefact(name, "the runner") from None
        with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as packed:
            file = packed.extractfile(name)
            return file.read().decode() if file else ""


@contextmanager
def open_target(project: Path, stack: str) -> Iterator[PipelineTarget]:
    """The file of `FDS_DATABASE`; else the runner of `stack`; else, where that is this machine, its local runs.

    Raises:
        UnreachableError: the runner does not run, or its server does not answer.
    """
    with ExitStack() as opened:
        yield _found(project, stack, opened)


def _found(project: Path, stack: str, opened: ExitStack) -> PipelineTarget:
    from infra import stack_file
    from infra.reach import daemon
    from stack_runtime.docker_host import running

    if database := os.environ.get("FDS_DATABASE"):
        return local_target(Path(database))
    try:
        return ContainerTarget(running(opened.enter_context(daemon(project, stack)), stack, "pipeline"))
    except StackError:
        local = project / ".fds" / "local" / DATABASE_NAME
        if stack_file.read(project, stack).host == "local" and local.is_file():
            return local_target(local)
        raise


def local_target(database: Path) -> LocalTarget:
    """Return the target of local runs that publish `database`."""
    return LocalTarget(beside(database).published, beside(database).dbt_target)


def _too_long(seconds: float) -> UnreachableError:
    return UnreachableError(f"no answer within {seconds:g} s", next_command="try again")


def _no_artefact(name: str, where: str) -> UnreachableError:
    return UnreachableError(f"dbt has left no {name} yet", where=where, next_command="fds run")

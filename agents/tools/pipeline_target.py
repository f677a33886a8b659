"""Access the data and the pipeline of a stack, in the runner or, for local runs, on this machine."""

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

    from stack_runtime.docker_exec import Executed

RUNNER_DATA = Path("/data")
_SECRET = re.compile("KEY|TOKEN|SECRET|PASS", re.IGNORECASE)
"""Pattern for the names of environment variables that may hold secrets; `LocalTarget.call` passes none of them on."""
_LOAD_COMMAND = "fds run --csv FILE"


class PipelineTarget(Protocol):
    """Access to the data and the pipeline of a stack. Implementations never call a shell."""

    def published(self) -> str:
        """Return the path of the published DuckDB file on the target.

        Raises:
            UnreachableError: no data is published yet.
        """

    def call(self, module: str, *words: str, seconds: float) -> tuple[int, str]:
        """Run `python -m MODULE WORDS` on the target and return exit code and standard output.

        Raises:
            UnreachableError: the module ran longer than `seconds`.
        """

    def artefact(self, name: str) -> str:
        """Return the text of a dbt artefact.

        Raises:
            UnreachableError: there is no artefact with this name.
        """


@dataclass(frozen=True)
class LocalTarget:
    """Access to the results of `fds run --local`: the published file `database`, and dbt's artefacts in `target`."""

    database: Path
    target: Path

    def published(self) -> str:
        if not self.database.is_file():
            raise UnreachableError("no data is published yet", where=str(self.database), next_command=_LOAD_COMMAND)
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
            raise _timed_out(seconds) from None
        return done.returncode, done.stdout

    def artefact(self, name: str) -> str:
        try:
            return (self.target / name).read_text(encoding="utf-8")
        except FileNotFoundError:
            raise _no_artefact(name, str(self.target)) from None


@dataclass(frozen=True)
class ContainerTarget:
    """Access to the runner, the container that runs the pipeline."""

    container: Container

    @property
    def paths(self) -> PipelinePaths:
        return of_runner(RUNNER_DATA)

    def published(self) -> str:
        if self._execute("test", "-f", str(self.paths.published)).code:
            raise UnreachableError("no data is published yet", next_command=_LOAD_COMMAND)
        return str(self.paths.published)

    def call(self, module: str, *words: str, seconds: float) -> tuple[int, str]:
        done = self._execute("timeout", f"{seconds:g}", "python", "-m", module, *words)
        if done.code == 124:
            raise _timed_out(seconds)
        return done.code, done.out.decode(errors="replace")

    def _execute(self, *command: str) -> Executed:
        from stack_runtime.docker_exec import execute

        return execute(self.container, command)

    def artefact(self, name: str) -> str:
        from docker.errors import NotFound

        try:
            stream, _ = self.container.get_archive(str(self.paths.dbt_target / name))
        except NotFound:
            raise _no_artefact(name, "the pipeline's container") from None
        with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as packed:
            file = packed.extractfile(name)
            return file.read().decode() if file else ""


@contextmanager
def open_target(project: Path, stack: str) -> Iterator[PipelineTarget]:
    """Open the target of `stack`: the local file that the environment variable `FDS_DATABASE` names, else the runner.

    If the stack is on this machine and its runner is not available, open the results of `fds run --local`, if any.

    Raises:
        UnreachableError: the runner does not run, or Docker on its machine does not answer.
    """
    with ExitStack() as opened:
        yield _find(project, stack, opened)


def _find(project: Path, stack: str, opened: ExitStack) -> PipelineTarget:
    from infra import stack_file
    from infra.docker_access import daemon
    from infra.hosts import host_of
    from stack_runtime.docker_host import runner

    if database := os.environ.get("FDS_DATABASE"):
        return local_target(Path(database))
    try:
        return ContainerTarget(runner(opened.enter_context(daemon(project, stack)), stack))
    except StackError:
        local = project / ".fds" / "local" / DATABASE_NAME
        if host_of(stack_file.read(project, stack)).on_this_machine and local.is_file():
            return local_target(local)
        raise


def local_target(database: Path) -> LocalTarget:
    """Return the target of local runs that publish `database`."""
    return LocalTarget(beside(database).published, beside(database).dbt_target)


def _timed_out(seconds: float) -> UnreachableError:
    return UnreachableError(f"no answer within {seconds:g} s", next_command="try again")


def _no_artefact(name: str, where: str) -> UnreachableError:
    return UnreachableError(f"there is no {name} of dbt yet", where=where, next_command="fds run")

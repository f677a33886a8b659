"""Preview a deployment and detect drift without writing to the project or its state."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from pulumi import automation as auto

from infra import image_digests, image_lock
from infra.component import generated_secrets
from infra.docker_access import daemon
from infra.engine import state_edits
from infra.engine.environment import backend_folder, environment
from infra.engine.identity import EngineState, Owner
from infra.engine.progress import Progress
from infra.engine.stack_operations import StackOperations
from infra.engine.workspaces import ReadingWorkspace, ScratchWorkspace
from infra.hosts import host_of
from infra.stack_file import config, path_of, write
from infra.stack_secrets import SECRETS, readable
from stack_runtime.docker_host import containers, ids
from stack_runtime.errors import UnreachableError
from stack_runtime.paths import PROJECT
from stack_runtime.text import Say


class NotDeployedError(UnreachableError):
    """The Pulumi state has no such stack, or the stack has no resources."""


class ReadOnlyOperations(StackOperations):
    """One stack of one project, opened read-only: the project, its state and its stack file are not changed.

    Args:
        scratch: an empty folder for a preview. A stack that does not exist yet is created there, with a separate state.

    Raises:
        UsageError: the stack file is missing or wrong.
        UnreachableError: Pulumi is missing.
        NotDeployedError: the stack does not exist, and there is no `scratch`.
    """

    def __init__(self, project: Path, stack: str, progress: Progress, scratch: Path | None = None) -> None:
        self._scratch = scratch
        super().__init__(project, stack, progress)

    def preview(self, say: Say) -> dict[str, int]:
        """Preview what `fds up` would do.

        Args:
            say: called with each line of output.

        Returns: the number of resources by operation (`create`, `update`, `replace`, `delete`, `same`).
        """
        watch = self._progress
        self.refuse_another_host()
        if missing := image_digests.missing(self.project, self.settings):
            say(f"  would look up the digests of {', '.join(missing)}, which {image_lock.FILE} lacks")
        refresh = self._lost_containers(self.recorded(), say)
        self._run(
            lambda: self._stack.preview(
                on_event=watch.on_event,
                color="never",
                policy_packs=self._policies(),
                refresh=refresh or None,
                config_file=self._config_file(),
            ),
            planned=True,
        )
        return watch.changes

    def drift(self) -> dict[str, int]:
        """Compare what really runs with the Pulumi state.

        Returns: number of resources by the operation of a refresh (`same`, `update`, `delete`).

        Raises:
            NotDeployedError: nothing of the stack is deployed.
            UnreachableError: Docker does not answer, on a host other than a rented server.
        """
        if not state_edits.resources(self.recorded()):
            raise self._not_deployed()
        if not host_of(self.settings).makes_machine:
            # Check that Docker answers, because Pulumi would report the containers of an unreachable daemon as deleted.
            with daemon(self.project, self.settings.stack):
                pass
        watch = self._progress
        self._run(lambda: self._stack.preview_refresh(on_event=watch.on_event, color="never"))
        return watch.changes

    @cached_property
    def owner(self) -> Owner:
        return EngineState(self.project, self.settings.stack, self._environment).owner(write=False)

    def _engine_environment(self) -> dict[str, str]:
        return environment(self.project, self.settings.stack, make=False)

    def _open(self) -> auto.Stack:
        stack = self.settings.stack
        root = backend_folder(self._environment["PULUMI_BACKEND_URL"])
        if root is None or root.is_dir():  # do not call Pulumi without the folder, which it would create
            try:
                workspace = ReadingWorkspace(str(self.project), program=self._program, env_vars=self._environment)
                return auto.Stack.select(stack, workspace)
            except auto.StackNotFoundError:
                pass
        if self._scratch is None:
            raise self._not_deployed()
        return self._create_in_scratch(self._scratch)

    def _create_in_scratch(self, scratch: Path) -> auto.Stack:
        """Create the stack in the scratch folder, in the same way as a first deployment creates it in the project."""
        backend = scratch / "state"
        backend.mkdir()
        self._environment["PULUMI_BACKEND_URL"] = f"file://{backend}"
        if not Path(self._environment.get("PULUMI_CONFIG_PASSPHRASE_FILE", os.devnull)).exists():
            (scratch / "passphrase").write_text("of a stack that is thrown away")
            self._environment["PULUMI_CONFIG_PASSPHRASE_FILE"] = str(scratch / "passphrase")
        self._config_file()
        project = auto.ProjectSettings(name=PROJECT, runtime="python")
        workspace = ScratchWorkspace(
            str(scratch), program=self._program, project_settings=project, env_vars=self._environment
        )
        return auto.Stack.create(self.settings.stack, workspace)

    def _config_file(self) -> str | None:
        """Copy the stack file to the scratch folder and add the secrets that `fds up` would generate.

        Returns: the path of the copy; None without a scratch folder.
        """
        if self._scratch is None:
            return None
        stack = self.settings.stack
        copy = path_of(self._scratch, stack)
        if not copy.exists():
            shutil.copyfile(path_of(self.project, stack), copy)
            present = readable(config(self.project, stack))
            if present is not None:
                missing = generated_secrets.names(self.settings) - set(present)
                write(
                    self._scratch,
                    stack,
                    {SECRETS: {**present, **{n: generated_secrets.value(n) for n in sorted(missing)}}},
                )
        return str(copy)

    def _lost_containers(self, record: state_edits.Deployment, say: Say) -> bool:
        """Return whether containers in the Pulumi state are gone, so that the preview must refresh first."""
        recorded = state_edits.ids_of(record, state_edits.CONTAINER)
        if not recorded:
            return False
        try:
            with daemon(self.project, self.settings.stack) as client:
                for item in containers(client, self.settings.stack):
                    if item.status == "exited":
                        say(f"  would start {item.name}, which is stopped")
                return bool(recorded - ids(client, self.settings.stack))
        except UnreachableError as error:
            if not host_of(self.settings).makes_machine:
                raise
            say(f"the server's containers cannot be read, so the preview assumes them unchanged: {error.what}")
            return False

    def _not_deployed(self) -> NotDeployedError:
        stack, backend = self.settings.stack, self._environment["PULUMI_BACKEND_URL"]
        return NotDeployedError(
            f"nothing of stack {stack} is deployed", where=backend, next_command=f"fds up --stack {stack}"
        )


@contextmanager
def rehearsal(project: Path, stack: str, progress: Progress) -> Iterator[ReadOnlyOperations]:
    """Open a stack, which may not exist yet, for a preview; temporary files are deleted at the end."""
    with tempfile.TemporaryDirectory(prefix="fds-preview-") as scratch:
        yield ReadOnlyOperations(project, stack, progress, Path(scratch))

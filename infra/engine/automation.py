"""The engine's Automation API without the starts of the engine, a third of a second each, whose answer is known."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pulumi import automation as auto
from pulumi._version import version

from infra.engine import checkpoint
from infra.engine.environment import engine_home, engine_root
from stack_runtime.paths import PROJECT


class Stack(auto.Stack):
    """Does not ask after each deployment for outputs and a history that its events have told."""

    def outputs(self) -> auto.OutputMap:
        return {}

    def info(self, show_secrets: bool = True) -> auto.UpdateSummary:
        return auto.UpdateSummary("", datetime.now(UTC), "", {}, {}, "succeeded")  # else it had raised


class Workspace(auto.LocalWorkspace):
    """Chooses no stack that is not there, or that a plain `pulumi` here takes already; knows our engine's version."""

    def __init__(self, folder: Path, *, env_vars: Mapping[str, str], **options: Any) -> None:
        # a fifth of a start of the engine is the search for garbage; its memory grows by 20 MB
        own = {"GOGC": os.environ.get("GOGC", "400"), **env_vars}
        super().__init__(str(folder), pulumi_command=_engine(), env_vars=own, **options)

    def create_stack(self, stack_name: str) -> None:
        try:
            super().create_stack(stack_name)
        except auto.StackAlreadyExistsError:  # since it was looked for
            super().select_stack(stack_name)

    def select_stack(self, stack_name: str) -> None:
        backend = self._backend_of(stack_name)
        ours = isinstance(self.pulumi_command, _OurEngine)  # of another it is not known where it notes its choice
        chosen = ours and _chosen(Path(self.work_dir), backend) == f"organization/{PROJECT}/{stack_name}"
        if not chosen or checkpoint.read(backend, stack_name) is None:
            super().select_stack(stack_name)

    def _backend_of(self, stack_name: str) -> str:
        """Return the address of the state; raise when it is certain that it has no such stack."""
        backend = self.env_vars.get("PULUMI_BACKEND_URL", "")
        if checkpoint.never_made(backend, stack_name):
            raise auto.StackNotFoundError(auto.CommandResult("", f"no stack named '{stack_name}' found", 255))
        return backend


class ReadingWorkspace(Workspace):
    """Workspace that never runs `stack select`: each command names its stack, and the user's selection stays."""

    def select_stack(self, stack_name: str) -> None:
        backend = self._backend_of(stack_name)
        if checkpoint.read(backend, stack_name) is None:
            self.export_stack(stack_name)  # raises if there is none


class ScratchWorkspace(Workspace):
    """Workspace in a temporary folder, for which the engine must not record a selected stack."""

    def create_stack(self, stack_name: str) -> None:
        words = ["stack", "init", stack_name, "--no-select"]
        self.pulumi_command.run(words, self.work_dir, self.env_vars)


def _chosen(project: Path, backend: str) -> str:
    """What the engine noted when it chose a stack of the project last; empty where that is unknown."""
    key = hashlib.sha1(str(_as_seen(project) / "Pulumi.yaml").encode(), usedforsecurity=False).hexdigest()
    try:
        file = engine_home() / "workspaces" / f"{PROJECT}-{key}-workspace.json"
        noted = json.loads(file.read_text(encoding="utf-8"))
        return str(noted["stacks"][backend])
    except (OSError, ValueError, LookupError, TypeError):
        return ""


def _as_seen(folder: Path) -> Path:
    """The folder by the name that the shell, and so the engine, has for it: there may be links on the way."""
    shell = Path(os.environ.get("PWD", ""))
    try:
        return shell if shell.is_absolute() and shell.samefile(folder) else folder
    except OSError:
        return folder


class _OurEngine(auto.PulumiCommand):
    """The engine that setup got, which is of the SDK's version."""

    def __init__(self) -> None:
        self.command, self.version = "pulumi", version


def _engine() -> auto.PulumiCommand:
    """The engine on PATH; one that the user installed is asked for its version."""
    found = shutil.which("pulumi")
    ours = found is not None and Path(found).parent == engine_root() / "bin"
    return _OurEngine() if ours else auto.PulumiCommand()

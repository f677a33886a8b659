"""Stacks of inline programs under the real engine, for tests of single resources."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pulumi import automation as auto
from pulumi.automation._stack import StackInitMode


class Stack(auto.Stack):
    """Hears from the engine's events what came of an update; the SDK starts the engine three times more to ask it."""

    _changes: auto.OpMap
    _outputs: dict[str, Any]

    def up(self, **options: Any) -> auto.UpResult:
        return super().up(on_event=self._hear, **options)

    def refresh(self, **options: Any) -> auto.RefreshResult:
        return super().refresh(on_event=self._hear, **options)

    def destroy(self, **options: Any) -> auto.DestroyResult:
        return super().destroy(on_event=self._hear, **options)

    def outputs(self) -> auto.OutputMap:
        return {name: auto.OutputValue(value, secret=False) for name, value in self._outputs.items()}

    def info(self, show_secrets: bool = True) -> auto.UpdateSummary:
        now = datetime.now(UTC)
        return auto.UpdateSummary("update", now, "", {}, {}, "succeeded", resource_changes=self._changes)

    def _hear(self, event: auto.EngineEvent) -> None:
        if event.summary_event:
            self._changes = event.summary_event.resource_changes
        elif event.res_outputs_event and event.res_outputs_event.metadata.type == "pulumi:pulumi:Stack":
            new = event.res_outputs_event.metadata.new
            self._outputs = dict(new.outputs) if new else {}


def inline_stack(folder: Path, project: str, name: str, program: Callable[[], None], **environment: str) -> Stack:
    """The stack `name` of a project in an existing folder, made where it is not there yet."""
    settings = auto.ProjectSettings(name=project, runtime="python")
    workspace = auto.LocalWorkspace(str(folder), program=program, project_settings=settings, env_vars=environment)
    return Stack(name, workspace, StackInitMode.CREATE_OR_SELECT)


def changes(result: auto.UpResult | auto.RefreshResult | auto.DestroyResult) -> dict[str, int]:
    """What an update did, without what stayed as it was."""
    found = result.summary.resource_changes if result.summary else None
    return {str(key): count for key, count in (found or {}).items() if key != "same"}

"""Run stacks of inline programs with the real engine, for tests of single resources."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pulumi import automation as auto
from pulumi.automation._stack import StackInitMode

from infra.engine import automation

Result = TypeVar("Result", auto.UpResult, auto.RefreshResult, auto.DestroyResult)


class Stack(automation.Stack):
    """A stack whose results are taken from the engine's events."""

    def up(self, **options: Any) -> auto.UpResult:
        result, events = _run_with_events(super().up, options)
        result.outputs = {name: auto.OutputValue(value, secret=False) for name, value in _outputs(events).items()}
        return result

    def refresh(self, **options: Any) -> auto.RefreshResult:
        return _run_with_events(super().refresh, options)[0]

    def destroy(self, **options: Any) -> auto.DestroyResult:
        return _run_with_events(super().destroy, options)[0]


def _run_with_events(
    update: Callable[..., Result], options: Mapping[str, Any]
) -> tuple[Result, list[auto.EngineEvent]]:
    """Run an update; return its result with the number of resources by operation, and its events."""
    events: list[auto.EngineEvent] = []
    result = update(on_event=events.append, **options)
    (summary,) = [event.summary_event for event in events if event.summary_event]
    assert result.summary
    result.summary.resource_changes = summary.resource_changes
    return result, events


def _outputs(events: list[auto.EngineEvent]) -> dict[str, Any]:
    """Return the outputs of the stack from the last event that contains them."""
    steps = [event.res_outputs_event.metadata for event in events if event.res_outputs_event]
    states = [step.new for step in steps if step.type == "pulumi:pulumi:Stack"]
    return dict(states[-1].outputs) if states and states[-1] else {}


def inline_stack(folder: Path, project: str, name: str, program: Callable[[], None], **environment: str) -> Stack:
    """Return the stack `name` of a project in an existing folder; create it if it is missing."""
    settings = auto.ProjectSettings(name=project, runtime="python")
    workspace = automation.Workspace(folder, program=program, project_settings=settings, env_vars=environment)
    return Stack(name, workspace, StackInitMode.CREATE_OR_SELECT)


def changes(result: auto.UpResult | auto.RefreshResult | auto.DestroyResult) -> dict[str, int]:
    """Return the number of resources by operation, without unchanged ones."""
    found = result.summary.resource_changes if result.summary else None
    return {str(key): count for key, count in (found or {}).items() if key != "same"}

"""Create stacks of inline programs with the real Pulumi engine, for tests of single resources."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pulumi import automation as auto

Stack = auto.Stack


def inline_stack(folder: Path, project: str, name: str, program: Callable[[], None], **environment: str) -> Stack:
    """Return the stack `name` of a project in an existing folder; create the stack if it does not exist."""
    settings = auto.ProjectSettings(name=project, runtime="python")
    workspace = auto.LocalWorkspace(str(folder), program=program, project_settings=settings, env_vars=environment)
    return auto.Stack.create_or_select(name, workspace)


def changes(result: auto.UpResult | auto.RefreshResult | auto.DestroyResult) -> dict[str, int]:
    """Return the number of resources for each operation, such as `create`; unchanged resources do not count."""
    found = result.summary.resource_changes if result.summary else None
    return {str(key): count for key, count in (found or {}).items() if key != "same"}

"""Stacks that share a budget: every stack file of the project with the same `budgetGroup` on a rented server."""

from __future__ import annotations

from pathlib import Path

from infra import stack_file
from infra.settings import Settings


def others(project: Path, settings: Settings) -> tuple[Settings, ...]:
    """Settings of the other stacks that `settings` shares its budget with, by name.

    Raises:
        UsageError: a stack file cannot be read; what cannot be read cannot be left out of the sum.
    """
    names = sorted(path.name.split(".")[1] for path in project.glob("Pulumi.*.yaml"))
    found = (stack_file.read(project, name) for name in names if name != settings.stack)
    return tuple(other for other in found if other.host == "hetzner" and other.budget_group == settings.budget_group)

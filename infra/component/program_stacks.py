"""Remember which data stacks one Pulumi program has, because they may share a budget and a Docker daemon."""

from __future__ import annotations

from collections.abc import Sequence
from weakref import WeakKeyDictionary

import pulumi
from pulumi.runtime.settings import get_root_resource

from infra.cost.planning_inputs import ProgramStack
from infra.services import Service
from infra.settings import Settings
from stack_runtime.errors import UsageError

_stacks: WeakKeyDictionary[pulumi.Resource, list[ProgramStack]] = WeakKeyDictionary()
"""Data stacks of each program, by the program's root resource. One process may run several programs in turn."""


def add(settings: Settings, own: Sequence[Service]) -> list[ProgramStack]:
    """Add a stack to the running program, and return those that were added before it.

    Raises:
        UsageError: the program already has a stack of this name.
    """
    root = get_root_resource()
    if root is None:  # no engine runs this program
        return []
    stacks = _stacks.setdefault(root, [])
    if any(other.settings.stack == settings.stack for other in stacks):
        raise UsageError(
            f"the program has two data stacks with the name {settings.stack}",
            next_command="give each its own name: containers, networks and volumes are named after it",
        )
    before = list(stacks)
    stacks.append(ProgramStack(settings, tuple(own)))
    return before

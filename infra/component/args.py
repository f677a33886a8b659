"""Arguments of a `DataStack`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pulumi

from infra.cost import Plan
from infra.services import Service
from infra.settings import Settings


@dataclass(frozen=True)
class Operation:
    """Additional arguments of a deployment by `fds up`."""

    project: Path | None = None
    """Folder of the stack files that share the budget; None for that of `infra.engine.environment`."""
    adopt: Mapping[str, str] = field(default_factory=dict)
    """Import ids of resources that an interrupted deployment left, by kind (see `infra.hosts`)."""
    wait: bool = True
    """Wait until the server is ready; False when only account resources are updated."""
    agreed: Callable[[Plan], None] | None = None
    """Raises an error for a plan that the approval does not cover; called before anything is registered."""
    identity: str = ""
    """The stack's identity (see `infra.engine.identity`), for a label; empty for no label."""


@dataclass(frozen=True)
class DataStackArgs:
    """Arguments of a `DataStack`."""

    settings: Settings
    secrets: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    """Secrets by name. Each one that the services need and that is missing here is generated once and kept, encrypted,
    in the state of the Pulumi stack."""
    services: Sequence[Service] = ()
    """Services outside the catalogue. They start after those of the catalogue and count in the plan."""
    keys: Path | None = None
    """Folder for the key files of a server; None for `.fds/keys/<stack>` in the project."""
    operation: Operation | None = None
    """Given by `fds up` and the program of the repository; leave it out in a program of your own."""

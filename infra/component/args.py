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
    """Arguments that `fds up` and this repository's program pass in addition to the settings."""

    project: Path | None = None
    """Folder with the stack files of all stacks that share the budget; None for the project of the current folder."""
    adopt: Mapping[str, str] = field(default_factory=dict)
    """Import ids by kind (see `state_edits.KINDS`), for resources that an interrupted deployment left behind."""
    wait: bool = True
    """Whether to wait until the server is ready; False when only resources of the cloud account are updated."""
    agreed: Callable[[Plan], None] | None = None
    """Function that is called with the plan before any resource is registered. It raises an error if a person's
    approval does not cover the plan."""
    identity: str = ""
    """The stack's identity (see `infra.engine.identity`), set as a label on its resources; empty to set no label."""


@dataclass(frozen=True)
class DataStackArgs:
    """Arguments of a `DataStack`."""

    settings: Settings
    secrets: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    """Secrets by name. A secret that the services need and that is missing here is generated once and kept,
    encrypted, in the state of the Pulumi stack."""
    services: Sequence[Service] = ()
    """Services outside the catalogue. They may need services of the catalogue, and the plan includes them."""
    keys: Path | None = None
    """Folder for the key files of a server; None for `.fds/keys/<stack>` in the project."""
    operation: Operation | None = None
    """Arguments that only `fds up` and the program of the repository pass; leave them out in a program of your own."""

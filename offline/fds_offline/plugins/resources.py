"""Define the parts of a stand-in provider: resources with their fields, and expected failures."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from fds_offline.plugins.fields import Fields

State = dict[str, Any]


class PluginError(Exception):
    """An expected failure; the engine prints only its message."""


class CrashError(Exception):
    """A situation in which the official plugin crashes with a null pointer; the stand-in then crashes too."""


class NotReadyError(PluginError):
    """The resource was created, but a later step or an update of it failed. The engine then records `state`."""

    def __init__(self, message: str, resource_id: str, state: State) -> None:
        super().__init__(message)
        self.resource_id = resource_id
        self.state = state


class Resource(Protocol):
    """Operations of one kind of resource. `client` is the result of `Package.connect`."""

    def create(self, client: Any, inputs: State) -> tuple[str, State]:
        """Create the resource; return its ID and state."""
        ...

    def read(self, client: Any, resource_id: str, state: State) -> State | None:
        """Return the resource's actual state; None if it is gone.

        `state` is the recorded state; it is empty on an import.
        """
        ...

    def update(self, client: Any, resource_id: str, state: State, inputs: State) -> State:
        """Change the resource in place; return the new state."""
        ...

    def delete(self, client: Any, resource_id: str, state: State) -> None:
        """Delete the resource. As in the official provider, some kinds raise an error if it does not exist."""
        ...


@dataclass(frozen=True)
class Kind:
    """A kind of resource: its fields, and the module and name of the class that implements it as a `Resource`.

    The module is imported on first use. If nothing changes, a deployment only checks and compares inputs, so it never
    loads the client's SDK.
    """

    fields: Fields
    module: str
    name: str
    delete_first: bool = False
    """Whether a replacement deletes the old resource first, unless the program sets another order."""
    partial: bool = False
    """Whether a failed update records the new inputs with `initErrors`, even if they were not applied.

    At the next deployment, the engine calls `Update` again because of the `initErrors`. The stand-in then finds no
    difference and sends nothing to the API. From then on, deployments find no change. Official resources that are built
    with Terraform's SDK 2 behave in this way."""

    @cached_property
    def resource(self) -> Resource:
        """Return an instance of the class that implements this kind."""
        made: Resource = getattr(importlib.import_module(self.module), self.name)()
        return made


@dataclass(frozen=True)
class Package:
    """A provider: its name and version, the inputs of the provider itself, and its kinds of resources by type token."""

    name: str
    version: str
    config: Fields
    kinds: Mapping[str, Kind]
    client: str
    """The module with two functions: `connect(settings)` returns the client, and `readable(error)` returns the text of
    an expected failure of this client, or None for any other error."""

    def connect(self, settings: State) -> Any:
        """Return a client for the provider's inputs."""
        return importlib.import_module(self.client).connect(settings)

    def readable(self, error: Exception) -> str | None:
        """Return the message of an expected failure; None for an unexpected error."""
        if isinstance(error, PluginError):
            return str(error)
        say: Callable[[Exception], str | None] = importlib.import_module(self.client).readable
        return say(error)

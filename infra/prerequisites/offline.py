"""Find the package that replaces downloads where only package registries can be reached.

It is the separate distribution `fds-offline`, which registers an entry point. Nothing here imports it by name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Protocol

from docker import DockerClient

from infra.prerequisites.prerequisite import Prerequisite
from stack_runtime.errors import UnreachableError
from stack_runtime.text import Say

GROUP = "freelancer_data_stack.offline"
"""The entry point group. The entry whose name sorts first is used; it names an `Offline` class without arguments."""


class Offline(Protocol):
    """Interface of the package that replaces downloads."""

    plugins: Mapping[str, str]
    """The Python module that replaces each of Pulumi's plugins, by the plugin's name on PATH."""

    def build_engine(self, target: Path, version: str, say: Say) -> None:
        """Build the Pulumi command line of this version and put it at `target`.

        Raises:
            UnreachableError: the command line cannot be built.
        """

    def is_stand_in(self, client: DockerClient, reference: str) -> bool:
        """Return whether the daemon's image of this name is a stand-in, and not the official image."""

    def is_current(self, client: DockerClient, reference: str) -> bool:
        """Return whether the daemon has the official image, or a stand-in that the current recipe built."""

    def provide_image(self, client: DockerClient, reference: str, say: Say) -> str:
        """Build a stand-in for the image, or load the stand-in from the registry on this machine.

        Returns: how the image was made, for a person.

        Raises:
            UnreachableError: there is no recipe, or the image cannot be built on this machine.
        """

    def prerequisites(self, references: Sequence[str]) -> list[Prerequisite]:
        """Return the prerequisites that setup prepares after the images `references`."""


@cache
def find() -> Offline | None:
    """Return an instance of the installed class that replaces downloads; None if there is none."""
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        found: Offline = entry.load()()
        return found
    return None


def require(what: str, reason: str = "") -> Offline:
    """Return the replacement of downloads, as `find` does, but raise an error if no package has one.

    Args:
        what: what cannot be downloaded, for the error.
        reason: why the download failed; empty if it was not tried.

    Raises:
        UnreachableError: no such class is installed.
    """
    found = find()
    if found is None:
        raise UnreachableError(
            f"{what} cannot be downloaded here{f': {reason}' if reason else ''}",
            next_command="allow the download, or install the package fds-offline, which replaces it; then fds setup",
        )
    return found

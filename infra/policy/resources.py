"""Resources as a policy sees them, with what is unknown during a preview marked, never missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

CONTAINER = "docker:index/container:Container"
IMAGE = "docker:index/remoteImage:RemoteImage"
NETWORK = "docker:index/network:Network"
VOLUME = "docker:index/volume:Volume"
SERVER = "hcloud:index/server:Server"


class Unknown:
    """The value is computed by something that does not exist yet."""

    def __repr__(self) -> str:
        return "unknown"


UNKNOWN = Unknown()


class UnknownInputError(Exception):
    """A rule needs a value that is not known yet; its text says which."""


@dataclass(frozen=True)
class Resource:
    """One resource: its type token, its name in the program, and its inputs or outputs (camelCase)."""

    kind: str
    name: str
    props: Mapping[str, Any]
    custom: bool = True
    """It has a provider; a component has none and is nothing by itself."""

    @property
    def package(self) -> str:
        """The provider's package: the first part of the type token."""
        return self.kind.partition(":")[0]

    def get(self, key: str) -> Any:
        """The property, or None where it is not given.

        Raises:
            UnknownInputError: it is not known yet.
        """
        value = self.props.get(key)
        if isinstance(value, Unknown):
            raise UnknownInputError(f"{key} of {self.name} is not known yet")
        return value

    def entries(self, key: str) -> Iterator[Resource]:
        """The objects of a list property, each as a resource of its own."""
        for index, value in enumerate(self.get(key) or ()):
            if isinstance(value, Unknown):
                raise UnknownInputError(f"{key} of {self.name} is not known yet")
            if isinstance(value, Mapping):
                yield Resource(self.kind, f"{self.name}.{key}[{index}]", value)


def plain(value: Any, unknown: type[Exception]) -> Any:
    """A policy's guarded value as plain data: reading what is unknown raises `unknown`, and gives the mark here."""
    if isinstance(value, Mapping):
        return {str(key): _entry(value, key, unknown) for key in value}
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return [_entry(value, index, unknown) for index in range(len(value))]
    return value


def _entry(holder: Any, key: Any, unknown: type[Exception]) -> Any:
    try:
        return plain(holder[key], unknown)
    except unknown:
        return UNKNOWN

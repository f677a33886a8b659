"""Represent resources for the policies. Values unknown in a preview are marked, not left out."""

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
    """Marker for a value that depends on a resource that does not exist yet."""

    def __repr__(self) -> str:
        return "unknown"


UNKNOWN = Unknown()


class UnknownInputError(Exception):
    """Error of a rule that needs a value which is not known yet; the error's text names the value."""


@dataclass(frozen=True)
class Resource:
    """One resource: its type token, its name in the program, and its inputs or outputs (camelCase)."""

    kind: str
    name: str
    props: Mapping[str, Any]
    custom: bool = True
    """Whether a provider manages the resource; a component has no provider."""

    @property
    def package(self) -> str:
        """Package of the provider: the first part of the type token."""
        return self.kind.partition(":")[0]

    def get(self, key: str) -> Any:
        """Return the property, or None if it is not set.

        Raises:
            UnknownInputError: the value is not known yet.
        """
        value = self.props.get(key)
        if isinstance(value, Unknown):
            raise UnknownInputError(f"{key} of {self.name} is not known yet")
        return value

    def entries(self, key: str) -> Iterator[Resource]:
        """Yield the objects in a list property, each as a resource.

        Raises:
            UnknownInputError: the list or one of its entries is not known yet.
        """
        for index, value in enumerate(self.get(key) or ()):
            if isinstance(value, Unknown):
                raise UnknownInputError(f"{key} of {self.name} is not known yet")
            if isinstance(value, Mapping):
                yield Resource(self.kind, f"{self.name}.{key}[{index}]", value)


def plain(value: Any, unknown: type[Exception]) -> Any:
    """Return a policy's input as plain data. The marker `UNKNOWN` replaces a value if reading it raises `unknown`."""
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

"""Define the interface to the machines of the simulated cloud."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol


class MachineError(Exception):
    """Raised if a machine or disk cannot be created or changed; the action then ends in error."""


@dataclass(frozen=True)
class Spec:
    """The description of a server to create; memory and disk are in GB."""

    id: int
    name: str
    address: str
    image: str
    cores: int
    memory_gb: float
    disk_gb: int
    user_data: str
    ssh_keys: tuple[str, ...]
    rules: tuple[Mapping[str, Any], ...] | None
    """Inbound rules of all firewalls of the server, or `None` if it has no firewall, so that every port is open."""
    volumes: tuple[int, ...]


class Machines(Protocol):
    """Interface to servers and volumes. Every method blocks until it is done and may raise `MachineError`."""

    limit: int | None
    """Maximum number of servers, or `None` for no limit."""

    def address(self, taken: frozenset[str]) -> str:
        """Return a public IPv4 address that is not in `taken`."""

    def create(self, spec: Spec, start: bool) -> None: ...

    def start(self, server: int) -> None: ...

    def stop(self, server: int, graceful: bool) -> None: ...

    def resize(self, server: int, cores: int, memory_gb: float) -> None: ...

    def delete(self, server: int) -> None: ...

    def firewall(self, server: int, rules: tuple[Mapping[str, Any], ...] | None) -> None: ...

    def create_volume(self, volume: int, size_gb: int, filesystem: str | None) -> None: ...

    def resize_volume(self, volume: int, size_gb: int) -> None: ...

    def attach(self, volume: int, server: int, automount: bool) -> None: ...

    def detach(self, volume: int, server: int) -> None: ...

    def delete_volume(self, volume: int) -> None: ...

    def close(self) -> None:
        """Remove all servers and volumes that were created."""


class NoMachines:
    """Machines that do nothing, for tests of API requests: the servers are only entries of the account."""

    limit: int | None = None

    def address(self, taken: frozenset[str]) -> str:
        return next(a for n in range(1, 65_536) if (a := f"127.66.{n // 256}.{n % 256}") not in taken)

    def create(self, spec: Spec, start: bool) -> None:
        pass

    def start(self, server: int) -> None:
        pass

    def stop(self, server: int, graceful: bool) -> None:
        pass

    def resize(self, server: int, cores: int, memory_gb: float) -> None:
        pass

    def delete(self, server: int) -> None:
        pass

    def firewall(self, server: int, rules: tuple[Mapping[str, Any], ...] | None) -> None:
        pass

    def create_volume(self, volume: int, size_gb: int, filesystem: str | None) -> None:
        pass

    def resize_volume(self, volume: int, size_gb: int) -> None:
        pass

    def attach(self, volume: int, server: int, automount: bool) -> None:
        pass

    def detach(self, volume: int, server: int) -> None:
        pass

    def delete_volume(self, volume: int) -> None:
        pass

    def close(self) -> None:
        pass

"""Provide `HetznerAPI`, with which tests run and control the simulated Hetzner Cloud."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from types import TracebackType

from .account import Account
from .catalogue import SNAPSHOT, Catalogue, system_images
from .faults import READS, Faults
from .http import Entry, Gateway
from .machines import Machines, NoMachines
from .routes import Routes
from .zones import addresses


class HetznerAPI:
    """A test double of Hetzner Cloud with one empty project, which answers at a local address inside a `with` block.

    Args:
        servers: run a container with SSH for each server; otherwise, a server is only an entry of the account.
        layers: name of a Docker volume that keeps image layers of a server for later servers; see `layers.py`.
        prices: folder with `pricing.json` and `server_types.json`.
        action_seconds: minimum duration of an action.
        rate_limit: maximum number of requests per hour.
    """

    def __init__(
        self,
        *,
        servers: bool = False,
        layers: str = "",
        prices: Path = SNAPSHOT,
        action_seconds: float = 0.1,
        rate_limit: int = 3600,
    ) -> None:
        self.token = secrets.token_hex(32)
        self.read_only_token = secrets.token_hex(32)
        self.machines: Machines = _containers(layers) if servers else NoMachines()
        self.catalogue = Catalogue(prices)
        self._account = Account(self.catalogue, self.machines, action_seconds)
        for image in system_images(["x86", "arm"]):
            self._account.add("images", image)
        self.faults = Faults()
        self._gateway = Gateway(Routes(self._account), self.faults, self.token, self.read_only_token, rate_limit)
        self.endpoint = f"http://127.0.0.1:{self._gateway.server_port}/v1"

    def __enter__(self) -> HetznerAPI:
        threading.Thread(target=self._gateway.serve_forever, args=(0.05,), name="hetzner", daemon=True).start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._gateway.shutdown()
        self._gateway.server_close()
        self.faults.close()
        self._account.close()
        try:
            self._account.settle()
        finally:
            self.machines.close()

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment variables with which a deployment uses this project."""
        return {"HCLOUD_ENDPOINT": self.endpoint, "HCLOUD_TOKEN": self.token}

    def account(self) -> dict[str, int]:
        """Return the number of resources of each kind, which equals `empty()` after all resources are deleted."""
        return self._account.summary()

    def empty(self) -> dict[str, int]:
        """Return what `account` returns for an empty project."""
        return dict.fromkeys(self._account.summary(), 0)

    def resolve(self, name: str) -> list[str]:
        """Return the IPv4 addresses of a host name, from the DNS zones of the project."""
        with self._account.lock:
            return addresses(self._account.rows["zones"].values(), name)

    def settle(self, timeout: float = 120.0) -> None:
        """Wait until the actions started so far have ended, at most `timeout` seconds for each."""
        self._account.settle(timeout)

    @property
    def journal(self) -> list[Entry]:
        """Return every request to the API so far."""
        return list(self._gateway.journal)

    def writes(self) -> list[Entry]:
        """Return the write requests so far, including refused ones."""
        return [entry for entry in self.journal if entry.method not in READS]

    def on_write(self, n: int, callback: Callable[[], object], when: str = "after") -> None:
        """Call `callback` at the `n`-th write request from now; see `Faults.on_write`."""
        self.faults.on_write(n, callback, when)

    def set_price(self, server_type: str, location: str, net: Decimal) -> None:
        """Set the net monthly price of a server type at a location from now on."""
        with self._account.lock:
            self.catalogue.set_price(server_type, location, net)

    def set_available(self, server_type: str, location: str, available: bool) -> None:
        """Set whether a server type is available at a location from now on."""
        with self._account.lock:
            self.catalogue.set_available(server_type, location, available)

    def withdraw(self, server_type: str) -> None:
        """Remove a server type from the lists from now on; servers of this type keep it."""
        with self._account.lock:
            self.catalogue.withdraw(server_type)


def _containers(layers: str) -> Machines:
    from .containers import Containers

    return Containers(layers)

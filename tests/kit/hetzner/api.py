"""`HetznerAPI`: the double as tests use it."""

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
    """A test double of Hetzner Cloud with one empty project, on an address of this machine while the block runs.

    Args:
        servers: play servers by containers that can be reached by SSH; without it they exist in the account only.
        layers: name of a Docker volume that hands image layers from server to server; see `layers.py`.
        prices: folder with `pricing.json` and `server_types.json`.
        action_seconds: how long an action runs at least before it succeeds.
        rate_limit: requests an hour.
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
        """What a deployment needs to use this project: the provider's own variables."""
        return {"HCLOUD_ENDPOINT": self.endpoint, "HCLOUD_TOKEN": self.token}

    def account(self) -> dict[str, int]:
        """How many of each kind exist. Equal to `empty()` before the first write and after the last delete."""
        return self._account.summary()

    def empty(self) -> dict[str, int]:
        """What `account` says of a project that holds nothing."""
        return dict.fromkeys(self._account.summary(), 0)

    def resolve(self, name: str) -> list[str]:
        """The IPv4 addresses that the name servers of the project's zones give for a name."""
        with self._account.lock:
            return addresses(self._account.rows["zones"].values(), name)

    def settle(self, timeout: float = 120.0) -> None:
        """Wait until no action runs."""
        self._account.settle(timeout)

    @property
    def journal(self) -> list[Entry]:
        """Every request to the API so far."""
        return list(self._gateway.journal)

    def writes(self) -> list[Entry]:
        """The requests that would change something, refused ones among them."""
        return [entry for entry in self.journal if entry.method not in READS]

    def on_write(self, n: int, callback: Callable[[], object], when: str = "after") -> None:
        """Call `callback` at the `n`-th write from now; see `Faults.on_write`."""
        self.faults.on_write(n, callback, when)

    def set_price(self, server_type: str, location: str, net: Decimal) -> None:
        """A new net monthly price, from now on."""
        with self._account.lock:
            self.catalogue.set_price(server_type, location, net)

    def set_available(self, server_type: str, location: str, available: bool) -> None:
        """Sell out a type at a place, or bring it back, from now on."""
        with self._account.lock:
            self.catalogue.set_available(server_type, location, available)


def _containers(layers: str) -> Machines:
    from .containers import Containers

    return Containers(layers)

"""What the Hetzner account already holds of a stack, found by label: so that nothing is made twice."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hcloud import APIException, Client

from infra.settings import PROJECT, Settings
from stack_runtime.errors import StackError, UnreachableError

ENDPOINT = "https://api.hetzner.cloud/v1"


def client() -> Client:
    """A client for `HCLOUD_TOKEN` at `HCLOUD_ENDPOINT`.

    Raises:
        UnreachableError: there is no token.
    """
    token = os.environ.get("HCLOUD_TOKEN", "")
    if not token:
        raise UnreachableError("HCLOUD_TOKEN is not set", next_command="export HCLOUD_TOKEN=TOKEN, then again")
    return Client(token=token, api_endpoint=os.environ.get("HCLOUD_ENDPOINT", ENDPOINT), timeout=30)


@dataclass(frozen=True)
class Account:
    """Ids of a stack's resources by kind, as the account holds them."""

    ids: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: Settings) -> Account:
        """Ask the API what carries this stack's labels.

        Raises:
            UnreachableError: no token, a refused one, or no answer.
        """
        try:
            return _ask(client(), f"project={PROJECT},stack={settings.stack}")
        except APIException as error:
            raise refused(error) from None
        except OSError as error:
            raise UnreachableError(f"the Hetzner API does not answer: {error}", next_command="fds doctor") from None

    def unrecorded(self, known: Mapping[str, str]) -> Account:
        """What exists, but that the engine has not written down: to be adopted.

        Args:
            known: recorded ids by kind.
        """
        return Account({kind: found for kind, found in self.ids.items() if known.get(kind) != found})


NOTHING = Account()


def _ask(api: Client, selector: str) -> Account:
    kinds: dict[str, Any] = {
        "ssh_key": api.ssh_keys,
        "firewall": api.firewalls,
        "network": api.networks,
        "volume": api.volumes,
        "server": api.servers,
    }
    found = {kind: resources.get_all(label_selector=selector) for kind, resources in kinds.items()}
    ids = {kind: str(members[0].id) for kind, members in found.items() if members}
    for network in found["network"][:1]:
        if network.subnets:
            ids["subnet"] = f"{network.id}-{network.subnets[0].ip_range}"
    if not found["server"]:
        return Account(ids)
    server = found["server"][0]
    if any(private.network.id == int(ids.get("network", -1)) for private in server.private_net):
        ids["server_network"] = f"{server.id}-{ids['network']}"
    for volume in found["volume"][:1]:
        if volume.server and volume.server.id == server.id:
            ids["volume_attachment"] = str(volume.id)
    return Account(ids)


def refused(error: APIException) -> StackError:
    """What the API said, as an error with a way on."""
    if error.code == "unauthorized":
        return UnreachableError(
            "the Hetzner API refused the token in HCLOUD_TOKEN",
            next_command="export HCLOUD_TOKEN=TOKEN of this project, then again",
        )
    return UnreachableError(f"the Hetzner API refused: {error.message} ({error.code})", next_command="fds doctor")

"""Repair the stack of a rented server after a killed deployment, or after a change in the provider's console."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from typing import Any

from hcloud import APIException, Client

from infra.engine.state_edits import INDEPENDENT
from infra.hosts.hetzner.account import IDENTITY, Account, labelled, members, records_of
from infra.hosts.hetzner.api import all_pages, request
from infra.settings import Settings
from stack_runtime.errors import UnreachableError
from stack_runtime.text import Say

SETTLED_S = 600.0
"""Maximum seconds to wait for an action that is running in the account, such as a change of the server type."""
PAUSE_S = 1.0
RESIZES = ("change_server_type", "resize_volume")
"""Hetzner's names for resizes, which continue in the account even if the deployment that requested them is killed."""


def settled(settings: Settings, identity: str, say: Say) -> Account:
    """Wait until no resize of the stack's resources is running, and return the stack's resources in the account.

    Raises:
        UnreachableError: a resize does not end, or the API does not answer.
    """
    deadline = time.monotonic() + SETTLED_S
    announced = False
    while busy := request(settings.stack, partial(_resized, settings, identity), reads=True):
        if time.monotonic() > deadline:
            raise UnreachableError(f"{busy} is still being resized", next_command="look at the console, then fds up")
        if not announced:
            say(f"waiting for the account, which is still resizing {busy}")
            announced = True
        time.sleep(PAUSE_S)
    return Account.of(settings, identity)


def _resized(settings: Settings, identity: str, api: Client) -> str | None:
    """Return the name of the stack's server or volume that is being resized; None if no resize is running."""
    for kind in ("server", "volume"):
        for each in labelled(api, kind, settings, identity):
            if any(action.command in RESIZES for action in all_pages(each.get_actions_list, status=["running"])):
                return str(each.name)
    return None


def gone(settings: Settings, recorded: Mapping[str, str], account: Account) -> set[str]:
    """Return the kinds of resources that are in the Pulumi state but no longer in the account.

    A resource that was not found by label is looked up by its id, because it may only have lost its labels.

    Args:
        recorded: ids by kind, from the Pulumi state.
        account: the resources that were found by label.

    Raises:
        UnreachableError: the API does not answer.
    """
    unseen = [kind for kind in recorded if recorded[kind] != account.ids.get(kind)]
    return {kind for kind in unseen if not request(settings.stack, partial(_exists, kind, recorded[kind]), reads=True)}


def _exists(kind: str, known: str, api: Client) -> bool:
    """Return whether the account has the resource with this id; its labels are not compared.

    Args:
        known: the id in the Pulumi state; `ZONE/NAME/TYPE` for a DNS record.
    """
    if kind.startswith("record "):
        return _record_exists(known, api)
    if kind == "subnet":
        network_id, _, ip_range = known.partition("-")
        network = _one("network", network_id, api)
        return network is not None and any(each.ip_range == ip_range for each in network.subnets)
    if kind == "server_network":
        server_id, _, network_id = known.partition("-")
        server = _one("server", server_id, api)
        return server is not None and any(str(each.network.id) == network_id for each in server.private_net)
    if kind == "volume_attachment":
        volume = _one("volume", known, api)
        return volume is not None and volume.server is not None
    return _one(kind, known, api) is not None


def _record_exists(known: str, api: Client) -> bool:
    zone, name, kind = known.split("/")
    try:
        api.zones.get_rrset(api.zones.get(zone), name, kind)  # type: ignore[arg-type]
    except APIException as error:
        if error.code == "not_found":
            return False
        raise
    return True


def attach_again(settings: Settings, recorded: Mapping[str, str], say: Say) -> bool:
    """Attach a detached data volume to its server again, and restart the server.

    The restart is needed: the mount on a running server does not recover after its disk was detached.

    Returns: whether this call attached the volume.
    Raises:
        UnreachableError: the volume is attached to another server, which may use it.
    """

    def attach(api: Client) -> bool:
        volume, server = (_one(kind, recorded[kind], api) for kind in ("volume", "server"))
        if volume is None or server is None or volume.location.id != server.location.id:
            return False
        if volume.server is not None:
            _refuse_another_server(volume, server)
            return False
        say(f"volume {volume.id} was detached from server {server.id}; attaching it and restarting the server")
        if server.status != "off":
            server.power_off().wait_until_finished()
        volume.attach(server, automount=False).wait_until_finished()
        server.power_on().wait_until_finished()
        return True

    complete = {"volume", "server", "volume_attachment"} <= recorded.keys()
    return complete and request(settings.stack, attach)


def _refuse_another_server(volume: Any, server: Any) -> None:
    """Refuse a data volume that is attached to another server: Pulumi would detach it while that server uses it."""
    if volume.server.id != server.id:
        raise UnreachableError(
            f"the data volume {volume.name} is attached to the server {volume.server.name}, not to {server.name}",
            where="the Hetzner account",
            next_command="unmount it there and detach it in the Hetzner console, then fds up",
        )


def switch_on(settings: Settings, server_id: str, say: Say) -> str:
    """Wait until a server runs; start it if it is off, for example after a resize that was interrupted or refused.

    Returns: the public IPv4 address of the server.

    Raises:
        UnreachableError: the server is gone, has no address or does not start in time, or the API does not answer.
    """
    deadline = time.monotonic() + SETTLED_S
    announced = ""
    while True:
        server = request(settings.stack, partial(_one, "server", server_id), reads=True)
        if server is None:
            raise UnreachableError(f"server {server_id} is gone from the account", next_command="fds up")
        if server.status == "running":
            return _address(server)
        if server.status == "off" and not server.locked:
            say(f"server {server_id} is off, starting it")
            request(settings.stack, partial(_power_on, server))
        elif announced != server.status:
            announced = server.status
            say(f"waiting for server {server_id}, which is {announced}{' and locked' if server.locked else ''}")
        if time.monotonic() > deadline:
            raise UnreachableError(
                f"server {server_id} stays {server.status}", next_command="look at the server's console, then fds up"
            )
        time.sleep(PAUSE_S)


def _address(server: Any) -> str:
    if server.public_net is None or server.public_net.ipv4 is None:
        raise UnreachableError(
            f"server {server.id} has no public IPv4 address, so it cannot be reached",
            where="the Hetzner account",
            next_command="switch it off and assign one in the Hetzner console, then fds up",
        )
    return str(server.public_net.ipv4.ip)


def _power_on(server: Any, api: Client) -> None:
    api.servers.power_on(server).wait_until_finished()


def _one(kind: str, resource_id: str, api: Client) -> Any:
    """Return the resource with this id; None if the account has no such resource."""
    try:
        return members(api, kind).get_by_id(int(resource_id))
    except APIException as error:
        if error.code == "not_found":
            return None
        raise


def _own(api: Client, kind: str, settings: Settings, identity: str, recorded: Mapping[str, str]) -> list[Any]:
    """Return the stack's resources of `kind`: those with its labels, and the one whose id is in the Pulumi state.

    The latter is left out if its label names the identity of another stack.
    """
    found = {each.id: each for each in labelled(api, kind, settings, identity)}
    one = _one(kind, recorded[kind], api) if kind in recorded else None
    if one is not None and (one.labels or {}).get(IDENTITY, identity) == identity:
        found[one.id] = one
    return list(found.values())


def lift_protection(settings: Settings, identity: str, recorded: Mapping[str, str], *, volumes: bool) -> None:
    """Remove Hetzner's delete protection from the stack's server and, if `volumes` is true, its data volume.

    Args:
        recorded: ids by kind, from the Pulumi state.
    """

    def lift(api: Client) -> None:
        for server in _own(api, "server", settings, identity, recorded):
            server.change_protection(delete=False, rebuild=False).wait_until_finished()
        for volume in _own(api, "volume", settings, identity, recorded) if volumes else ():
            volume.change_protection(delete=False).wait_until_finished()

    request(settings.stack, lift)


def remove_leftovers(
    settings: Settings, identity: str, recorded: Mapping[str, str], *, volumes: bool
) -> dict[str, list[str]]:
    """Delete the stack's remaining resources, which a killed deployment created but did not add to the Pulumi state.

    Data volumes, which Pulumi keeps when it destroys a stack, are deleted only if `volumes` is true.

    Args:
        recorded: ids by kind, from the Pulumi state before the removal.

    Returns: names of the deleted resources, by kind.
    """

    def remove(api: Client) -> dict[str, list[str]]:
        records = records_of(api, settings, identity)
        for each in records:
            api.zones.delete_rrset(each)
        left = {"record": [str(each.name) for each in records]}
        for kind in INDEPENDENT if volumes else [kind for kind in INDEPENDENT if kind != "volume"]:
            found = _own(api, kind, settings, identity, recorded)
            for each in found:
                action = each.delete()
                if hasattr(action, "wait_until_finished"):
                    action.wait_until_finished()
            left[kind] = [str(each.name) for each in found]
        return left

    return request(settings.stack, remove)

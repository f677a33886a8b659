"""Changes to the engine's record that it cannot make itself, as pure functions on an exported deployment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from typing import Any

from stack_runtime.docker_host import IMAGES

SERVER = "hcloud:index/server:Server"
VOLUME = "hcloud:index/volume:Volume"
RECORD = "hcloud:index/zoneRrset:ZoneRrset"
CONTAINER = "docker:index/container:Container"
NETWORK = "docker:index/network:Network"
IMAGE = "docker:index/remoteImage:RemoteImage"

KINDS = {
    "hcloud:index/sshKey:SshKey": "ssh_key",
    "hcloud:index/firewall:Firewall": "firewall",
    "hcloud:index/network:Network": "network",
    "hcloud:index/networkSubnet:NetworkSubnet": "subnet",
    "hcloud:index/serverNetwork:ServerNetwork": "server_network",
    VOLUME: "volume",
    "hcloud:index/volumeAttachment:VolumeAttachment": "volume_attachment",
    SERVER: "server",
}
"""What of the account a stack holds one of, by the engine's type."""

BY_THEMSELVES = ("server", "network", "firewall", "ssh_key", "volume")
"""Kinds that do not go when what they lean on goes; in the order in which they can be deleted."""

Deployment = dict[str, Any]


def resources(deployment: Deployment) -> list[dict[str, Any]]:
    """The recorded resources; an empty stack has none."""
    return list(deployment.get("resources") or [])


def recorded_server(deployment: Deployment) -> str | None:
    """The id of the server that the engine believes in."""
    return next((str(item["id"]) for item in resources(deployment) if item["type"] == SERVER and item.get("id")), None)


def recorded_ids(deployment: Deployment) -> dict[str, str]:
    """Ids of the account's resources that the engine has written down, by kind."""
    made = [item for item in resources(deployment) if item.get("id")]
    found = {KINDS[item["type"]]: str(item["id"]) for item in made if item["type"] in KINDS}
    for item in made:
        if item["type"] == RECORD:
            known = "/".join(str(item["outputs"][name]) for name in ("zone", "name", "type"))
            found[f"record {known}"] = known
    return found


def ids_of(deployment: Deployment, kind: str) -> set[str]:
    """Ids of all recorded resources of the engine's type `kind`."""
    return {str(item["id"]) for item in resources(deployment) if item["type"] == kind and item.get("id")}


def changed_unnoticed(deployment: Deployment, sizes: Mapping[str, str | int]) -> list[str]:
    """URNs of server and volume that are of another size than the engine believes: it was killed as they changed.

    Args:
        sizes: type of the server and GB of the volume in the account, by kind.
    """
    measured = {SERVER: ("serverType", sizes.get("server")), VOLUME: ("size", sizes.get("volume"))}
    found = []
    for item in resources(deployment):
        name, real = measured.get(item["type"], ("", None))
        if real is not None and (item.get("outputs") or {}).get(name) != real:
            found.append(str(item["urn"]))
    return found


def without(deployment: Deployment, gone: Set[str]) -> Deployment:
    """The record after something is gone from the account: it is forgotten, and so is what lived on it.

    Args:
        gone: kinds, of `BY_THEMSELVES`.
    """
    lost: set[str] = set()
    for item in resources(deployment):  # what something leans on stands before it
        kind = KINDS.get(item["type"])
        if kind in gone or (kind not in BY_THEMSELVES and lost & set(_leans_on(item))):
            lost.add(item["urn"])
    kept = [_freed(item, lost) for item in resources(deployment) if item["urn"] not in lost]
    return {**deployment, "resources": kept, "pending_operations": []}


def _freed(item: dict[str, Any], lost: Set[str]) -> dict[str, Any]:
    """The resource without what it leaned on: the engine refuses a record that names what is not in it."""
    freed = {**item, "dependencies": [urn for urn in item.get("dependencies") or [] if urn not in lost]}
    properties = item.get("propertyDependencies") or {}
    freed["propertyDependencies"] = {
        name: [urn for urn in urns or [] if urn not in lost] for name, urns in properties.items()
    }
    return freed


def built_images(deployment: Deployment) -> set[str]:
    """Names of the images that were built for the stack."""
    names = {str(item["inputs"]["name"]) for item in resources(deployment) if item["type"] == IMAGE}
    return {name for name in names if name.startswith(f"{IMAGES}/")}


def unprotected(deployment: Deployment) -> Deployment:
    """The record with the engine's protection taken off everything."""
    return {**deployment, "resources": [{**item, "protect": False} for item in resources(deployment)]}


def _leans_on(item: dict[str, Any]) -> Iterable[str]:
    """What a resource cannot exist without, the provider that made it among it."""
    yield from item.get("dependencies") or []
    yield str(item.get("provider", "")).rpartition("::")[0]
    if item.get("deletedWith"):
        yield item["deletedWith"]

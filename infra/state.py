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
Facts = Mapping[str, Any]
"""Outputs of one resource as the account has them, by the engine's names."""


def resources(deployment: Deployment) -> list[dict[str, Any]]:
    """The recorded resources; an empty stack has none."""
    return list(deployment.get("resources") or [])


def recorded_server(deployment: Deployment) -> str | None:
    """The id of the server that the engine believes in."""
    return next((str(item["id"]) for item in resources(deployment) if item["type"] == SERVER and item.get("id")), None)


def recorded_ids(deployment: Deployment) -> dict[str, str]:
    """Ids of the account's resources that the engine has written down, by kind; of a record, what adopts it."""
    found = {}
    for item in resources(deployment):
        kind = kind_of(item)
        if kind and item.get("id") and not item.get("delete"):  # which is left over from a replacement
            found[kind] = kind.removeprefix("record ") if item["type"] == RECORD else str(item["id"])
    return found


def kind_of(item: Mapping[str, Any]) -> str | None:
    """The kind of a recorded resource of the account, one of `KINDS` or `record ZONE/NAME/TYPE`; None of any other."""
    if item["type"] == RECORD:
        outputs = item.get("outputs") or item.get("inputs") or {}
        return "record " + "/".join(str(outputs.get(name)) for name in ("zone", "name", "type"))
    return KINDS.get(item["type"])


def urns_of(deployment: Deployment, kinds: Iterable[str]) -> list[str]:
    """URNs of the recorded resources of these kinds, and of those that they are part of."""
    whole = {"subnet": "network", "server_network": "server"}
    sought = {*kinds, *(whole[kind] for kind in kinds if kind in whole)}
    return [str(item["urn"]) for item in resources(deployment) if item.get("id") and kind_of(item) in sought]


def host_of(deployment: Deployment) -> str:
    """The host that the recorded resources are on, as the setting names it; empty where there are none."""
    made = [item for item in resources(deployment) if item.get("id")]
    if any(kind_of(item) for item in made):
        return "hetzner"
    return "local" if any(item["type"] == CONTAINER for item in made) else ""


def ids_of(deployment: Deployment, kind: str) -> set[str]:
    """Ids of all recorded resources of the engine's type `kind`."""
    return {str(item["id"]) for item in resources(deployment) if item["type"] == kind and item.get("id")}


def changed_unnoticed(deployment: Deployment, facts: Mapping[str, Facts]) -> list[str]:
    """URNs of what is unlike what the engine believes: an update of it failed, was killed, or somebody changed it.

    Args:
        facts: outputs as the account has them, by kind.
    """
    found = []
    for item in resources(deployment):
        outputs = item.get("outputs") or {}
        real = facts.get(kind_of(item) or "", {})
        if item.get("id") and any(not _same(outputs.get(name), value) for name, value in real.items()):
            found.append(str(item["urn"]))
    return found


def _same(one: Any, other: Any) -> bool:
    return (comparable(one) or None) == (comparable(other) or None)


def comparable(value: Any) -> Any:
    """An output with lists in one order, and without what is empty, which a provider may leave out."""
    if isinstance(value, list):
        return sorted((comparable(each) for each in value), key=repr)
    if isinstance(value, Mapping):
        return {key: comparable(each) for key, each in sorted(value.items()) if each not in ("", None, [])}
    return value


def touched(deployment: Deployment) -> list[str]:
    """URNs of the account's resources whose last update failed or was killed: their record may be untrue."""
    pending = {(op.get("resource") or {}).get("urn") for op in deployment.get("pending_operations") or []}
    return [
        str(item["urn"])
        for item in resources(deployment)
        if kind_of(item) and item.get("id") and (item.get("initErrors") or item["urn"] in pending)
    ]


def still_there(deployment: Deployment, gone: Set[str]) -> Deployment:
    """The record without the mark that something of the account was removed to be replaced, where it was not.

    The engine sets it on a volume that it lets go of, and would make a second one of the same name.
    """
    kept = [
        (
            {key: value for key, value in item.items() if key != "pendingReplacement"}
            if kind_of(item) and kind_of(item) not in gone
            else item
        )
        for item in resources(deployment)
    ]
    return {**deployment, "resources": kept} if kept != resources(deployment) else deployment


def without(deployment: Deployment, gone: Set[str]) -> Deployment:
    """The record after something is gone from the account: it is forgotten, and so is what lived on it.

    What is only tied to others, such as an attachment, takes nothing along: containers may depend on it in the
    record, and run on all the same.

    Args:
        gone: kinds, as `recorded_ids` has them.
    """
    lost: set[str] = set()
    lost_for_others: set[str] = set()
    for item in resources(deployment):  # what something leans on stands before it
        kind = kind_of(item)
        if kind in gone or (kind not in BY_THEMSELVES and lost_for_others & set(_leans_on(item))):
            lost.add(item["urn"])
            if kind is None or kind in BY_THEMSELVES:
                lost_for_others.add(item["urn"])
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

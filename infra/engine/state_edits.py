"""Read the exported Pulumi state of a stack, and edit it in ways that the engine does not offer.

All functions are pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from typing import Any

from stack_runtime.paths import IMAGES

COMPONENT = "fds:index:DataStack"
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
"""Kinds of resources in the cloud account, by the engine's type token; a stack has at most one of each kind."""

INDEPENDENT = ("server", "network", "firewall", "ssh_key", "volume")
"""Kinds of resources that exist on their own, unlike attachments and subnets; they can be deleted in this order."""

Deployment = dict[str, Any]
Facts = Mapping[str, Any]
"""Outputs of one resource in the account, by the engine's name of each output."""


def resources(deployment: Deployment) -> list[dict[str, Any]]:
    """Return the resources in the Pulumi state; empty for an empty stack."""
    return list(deployment.get("resources") or [])


def recorded_server(deployment: Deployment) -> str | None:
    """Return the id of the server in the Pulumi state; None without a server."""
    return next((str(item["id"]) for item in resources(deployment) if item["type"] == SERVER and item.get("id")), None)


def recorded_ids(deployment: Deployment) -> dict[str, str]:
    """Return the ids of the cloud resources in the Pulumi state, by kind. A DNS record has the id `ZONE/NAME/TYPE`."""
    found = {}
    for item in resources(deployment):
        kind = kind_of(item)
        if kind and item.get("id") and not item.get("delete"):  # `delete` marks the old copy of a replaced resource
            found[kind] = kind.removeprefix("record ") if item["type"] == RECORD else str(item["id"])
    return found


def kind_of(item: Mapping[str, Any]) -> str | None:
    """Return the kind of a cloud resource: one of `KINDS`, or `record ZONE/NAME/TYPE`; None for other resources."""
    if item["type"] == RECORD:
        outputs = item.get("outputs") or item.get("inputs") or {}
        return "record " + "/".join(str(outputs.get(name)) for name in ("zone", "name", "type"))
    return KINDS.get(item["type"])


def urns_of(deployment: Deployment, kinds: Iterable[str]) -> list[str]:
    """Return the URNs of resources of these kinds.

    For `subnet`, the URN of the network is returned too; for `server_network`, the URN of the server.
    """
    whole = {"subnet": "network", "server_network": "server"}
    sought = {*kinds, *(whole[kind] for kind in kinds if kind in whole)}
    return [str(item["urn"]) for item in resources(deployment) if item.get("id") and kind_of(item) in sought]


def recorded_identity(deployment: Deployment) -> str:
    """Return the stack's identity in the Pulumi state; empty for a new stack or a state of an early version."""
    outputs = (item.get("outputs") or {} for item in resources(deployment) if item["type"] == COMPONENT)
    return next((str(found["identity"]) for found in outputs if found.get("identity")), "")


def with_present_names(urns: Iterable[str], stack: str) -> list[str]:
    """Return `urns` and, for resources named by version 0.1.0, also the URNs that the next update gives them."""
    found = set(urns)
    for urn in sorted(found):
        head, _, name = urn.rpartition("::")
        if not name.startswith(f"{stack}-"):
            found.add(f"{head}::{stack}-{name}")
    return sorted(found)


def ids_of(deployment: Deployment, kind: str) -> set[str]:
    """Return the ids of all resources of the engine's type `kind` in the Pulumi state."""
    return {str(item["id"]) for item in resources(deployment) if item["type"] == kind and item.get("id")}


def changed_unnoticed(deployment: Deployment, facts: Mapping[str, Facts]) -> list[str]:
    """Return the URNs of resources whose values in the account differ from their outputs in the Pulumi state.

    A failed or killed update, or a manual change, makes them differ.

    Args:
        facts: values in the account, by kind of resource.
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
    """Return an output for a comparison: lists are sorted, and empty values in mappings are left out.

    A provider may return lists in another order, and leave out empty values.
    """
    if isinstance(value, list):
        return sorted((comparable(each) for each in value), key=repr)
    if isinstance(value, Mapping):
        return {key: comparable(each) for key, each in sorted(value.items()) if each not in ("", None, [])}
    return value


def touched(deployment: Deployment) -> list[str]:
    """Return the URNs of account resources whose last update failed or was killed.

    What the Pulumi state says about them may be wrong.
    """
    pending = {(op.get("resource") or {}).get("urn") for op in deployment.get("pending_operations") or []}
    return [
        str(item["urn"])
        for item in resources(deployment)
        if kind_of(item) and item.get("id") and (item.get("initErrors") or item["urn"] in pending)
    ]


def still_there(deployment: Deployment, gone: Set[str]) -> Deployment:
    """Return the Pulumi state without the mark `pendingReplacement` on account resources that still exist.

    The engine sets this mark on a retained volume, and would then create a second volume with the same name.

    Args:
        gone: kinds of resources that no longer exist; they keep the mark.
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
    """Return the Pulumi state without the resources that are `gone` from the account, and without what depends on them.

    Resources of the kinds in `INDEPENDENT` stay unless they are gone themselves. If only a connection is gone, such as
    a volume attachment, nothing else is removed, because containers that depend on it may still run.

    Args:
        gone: kinds, named as in `recorded_ids`.
    """
    lost: set[str] = set()
    lost_for_others: set[str] = set()
    for item in resources(deployment):  # dependencies come before their dependents
        kind = kind_of(item)
        if kind in gone or (kind not in INDEPENDENT and lost_for_others & set(_depends_on(item))):
            lost.add(item["urn"])
            if kind is None or kind in INDEPENDENT:
                lost_for_others.add(item["urn"])
    kept = [_freed(item, lost) for item in resources(deployment) if item["urn"] not in lost]
    return {**deployment, "resources": kept, "pending_operations": []}


def _freed(item: dict[str, Any], lost: Set[str]) -> dict[str, Any]:
    """Return the resource without dependencies on `lost` URNs, because the engine refuses a state with unknown URNs."""
    freed = {**item, "dependencies": [urn for urn in item.get("dependencies") or [] if urn not in lost]}
    properties = item.get("propertyDependencies") or {}
    freed["propertyDependencies"] = {
        name: [urn for urn in urns or [] if urn not in lost] for name, urns in properties.items()
    }
    return freed


def built_images(deployment: Deployment) -> set[str]:
    """Return the names of the images that were built for the stack."""
    names = {str(item["inputs"]["name"]) for item in resources(deployment) if item["type"] == IMAGE}
    return {name for name in names if name.startswith(f"{IMAGES}/")}


def pulled_digests(deployment: Deployment) -> dict[str, str]:
    """Return the digest of each pulled image in the Pulumi state, by the image's name and tag."""
    outputs = [item.get("outputs") or {} for item in resources(deployment) if item["type"] == IMAGE]
    pulled = [(str(each["name"]), str(each["repoDigest"])) for each in outputs if each.get("repoDigest")]
    # Prefer the digest in the name of the image to the digest that the provider reports, because an image may have
    # several digests, and the provider may report another one.
    return {name.partition("@")[0]: (name if "@" in name else digest).rpartition("@")[2] for name, digest in pulled}


def unprotected(deployment: Deployment) -> Deployment:
    """Return the Pulumi state with the engine's protection removed from every resource."""
    return {**deployment, "resources": [{**item, "protect": False} for item in resources(deployment)]}


def _depends_on(item: dict[str, Any]) -> Iterable[str]:
    """Yield the URNs that a resource depends on: its dependencies, its provider, and what it is deleted with."""
    yield from item.get("dependencies") or []
    yield str(item.get("provider", "")).rpartition("::")[0]
    if item.get("deletedWith"):
        yield item["deletedWith"]

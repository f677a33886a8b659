"""Implement `hcloud:index/server:Server` for the offline stand-in."""

from __future__ import annotations

import time
from ipaddress import ip_network
from typing import Any

from fds_offline.plugins.fields import changes
from fds_offline.plugins.hcloud.basics import attach_to_network, detach_from_network, split_subnet
from fds_offline.plugins.hcloud.cloud import Body, Cloud, given, number, protect, recorded
from fds_offline.plugins.hcloud.server_fields import SERVER, UNREAD, user_data_hash
from fds_offline.plugins.resources import PluginError, State

SHUTDOWN_SECONDS = 31
"""Longest wait for the shutdown of a server before it is deleted; the official provider waits as long."""


class Server:
    """A server. It is created in the steps of the official provider: order, networks, power, backups, protection."""

    def create(self, cloud: Cloud, inputs: State) -> tuple[str, State]:
        """Order and configure the server. If a step after the order fails, the engine records the server."""
        body = _order(cloud, inputs)
        answer = cloud.request("POST", "/servers", body)
        resource_id = str(answer["server"]["id"])
        with recorded(resource_id, _recordable(inputs)):
            cloud.settle(answer)
            path = f"/servers/{resource_id}"
            for network in inputs.get("networks", ()):
                attach_to_network(cloud, resource_id, network)
            if not body["start_after_create"]:
                cloud.do("POST", f"{path}/actions/poweron")
            if inputs["backups"]:
                cloud.do("POST", f"{path}/actions/enable_backup")
            if inputs["deleteProtection"] or inputs["rebuildProtection"]:
                protect(cloud, path, delete=inputs["deleteProtection"], rebuild=inputs["rebuildProtection"])
            return resource_id, self.read(cloud, resource_id, _recordable(inputs)) or inputs

    def read(self, cloud: Cloud, resource_id: str, state: State) -> State | None:
        """Return the state that the API reports; None if the resource is gone."""
        found = cloud.get(f"/servers/{resource_id}", "server") if number(resource_id) else None
        return None if found is None else _state(found, state)

    def update(self, cloud: Cloud, resource_id: str, state: State, inputs: State) -> State:
        """Apply the changed inputs; refuse a change of `publicNets`."""
        changed = changes(SERVER, state, inputs, ())
        path = f"/servers/{resource_id}"
        found = cloud.get(path, "server")
        if found is None:
            raise PluginError(f"server {inputs['name']} does not exist any more; next: pulumi refresh")
        if "publicNets" in changed:
            raise PluginError("the offline stand-in does not change publicNets of a server; use the official plugin")
        if changed.keys() & {"name", "labels"}:
            cloud.request("PUT", path, {"name": inputs["name"], "labels": inputs.get("labels", {})})
        if "serverType" in changed:
            _change_type(cloud, found, inputs["serverType"], keep_disk=inputs["keepDisk"])
        if "backups" in changed:
            cloud.do("POST", f"{path}/actions/{'enable' if inputs['backups'] else 'disable'}_backup")
        if "networks" in changed:
            _change_networks(cloud, found, inputs["networks"])
        if "firewallIds" in changed:
            _change_firewalls(cloud, found, {int(each) for each in inputs["firewallIds"]})
        if "placementGroupId" in changed:
            _change_group(cloud, found, inputs.get("placementGroupId"))
        if changed.keys() & {"deleteProtection", "rebuildProtection"}:
            protect(cloud, path, delete=inputs["deleteProtection"], rebuild=inputs["rebuildProtection"])
        known = {**{key: state[key] for key in UNREAD if key in state}, **_recordable(inputs)}
        return self.read(cloud, resource_id, known) or inputs

    def delete(self, cloud: Cloud, resource_id: str, state: State) -> None:
        """Delete the server, after a shutdown if requested."""
        path = f"/servers/{resource_id}"
        if state.get("shutdownBeforeDeletion") and cloud.get(path, "server"):
            cloud.do("POST", f"{path}/actions/shutdown")
            deadline = time.monotonic() + SHUTDOWN_SECONDS
            while time.monotonic() < deadline and (cloud.get(path, "server") or {}).get("status", "off") != "off":
                time.sleep(1)
        cloud.retry(lambda: cloud.do("DELETE", path), ("conflict",))  # unlike `cloud.delete`, fail for a missing server


def _order(cloud: Cloud, inputs: State) -> Body:
    body = given(
        inputs, name="name", server_type="serverType", image="image", location="location", labels="labels",
        user_data="userData", placement_group="placementGroupId",
    )  # fmt: skip
    body["ssh_keys"] = [_key(cloud, str(each)) for each in inputs.get("sshKeys", ())]
    body["firewalls"] = [{"firewall": int(each)} for each in inputs.get("firewallIds", ())]
    public = next(iter(inputs.get("publicNets", ())), None)
    if public is not None:
        body["public_net"] = {
            "enable_ipv4": bool(public["ipv4Enabled"] or public.get("ipv4")),
            "enable_ipv6": bool(public["ipv6Enabled"] or public.get("ipv6")),
            **given(public, ipv4="ipv4", ipv6="ipv6"),
        }
    private = public is not None and not (body["public_net"]["enable_ipv4"] or body["public_net"]["enable_ipv6"])
    body["start_after_create"] = not (private and inputs.get("networks"))
    return body


def _key(cloud: Cloud, id_or_name: str) -> int:
    """Return the ID of an SSH key that is given by ID or name."""
    if number(id_or_name):
        found = cloud.get(f"/ssh_keys/{id_or_name}", "ssh_key")
    else:
        found = next(iter(cloud.request("GET", f"/ssh_keys?name={id_or_name}")["ssh_keys"]), None)
    if found is None:
        raise PluginError(f"SSH key not found: {id_or_name}")
    return int(found["id"])


def _change_type(cloud: Cloud, found: Body, server_type: str, *, keep_disk: bool) -> None:
    """Switch the server off and change its type; the API then starts it again."""
    path = f"/servers/{found['id']}"
    if found["status"] == "running":
        cloud.do("POST", f"{path}/actions/poweroff")
    body = {"server_type": server_type, "upgrade_disk": not keep_disk}
    cloud.do("POST", f"{path}/actions/change_type", body)


def _network_of(wanted: State) -> int:
    return int(split_subnet(wanted["subnetId"])[0]) if wanted.get("subnetId") else int(wanted.get("networkId") or 0)


def _change_networks(cloud: Cloud, found: Body, networks: list[State]) -> None:
    wanted = {_network_of(each): each for each in networks}
    for attached in found["private_net"]:
        network = attached["network"]
        asked = wanted.pop(network, None)
        if asked is None or (asked.get("ip") and asked["ip"] != attached["ip"]):
            detach_from_network(cloud, found["id"], network)
            if asked is not None:
                attach_to_network(cloud, found["id"], asked)
        elif set(asked.get("aliasIps") or ()) != set(attached["alias_ips"]):
            body = {"network": network, "alias_ips": asked.get("aliasIps") or []}
            cloud.do("POST", f"/servers/{found['id']}/actions/change_alias_ips", body)
    for asked in wanted.values():
        attach_to_network(cloud, found["id"], asked)


def _change_firewalls(cloud: Cloud, found: Body, wanted: set[int]) -> None:
    now = {each["id"] for each in found["public_net"]["firewalls"]}
    target = [{"type": "server", "server": {"id": found["id"]}}]
    for firewall in sorted(now - wanted):
        cloud.do("POST", f"/firewalls/{firewall}/actions/remove_from_resources", {"remove_from": target})
    for firewall in sorted(wanted - now):
        cloud.do("POST", f"/firewalls/{firewall}/actions/apply_to_resources", {"apply_to": target})


def _change_group(cloud: Cloud, found: Body, group: int | None) -> None:
    path = f"/servers/{found['id']}"
    if found.get("placement_group"):
        if found["status"] != "off":
            raise PluginError("a running server cannot leave its placement group; next: shut it down, then apply again")
        cloud.do("POST", f"{path}/actions/remove_from_placement_group")
    if group:
        cloud.do("POST", f"{path}/actions/add_to_placement_group", {"placement_group": group})


def _recordable(inputs: State) -> State:
    """Return the inputs as they are recorded in the state: with a hash in place of `userData`."""
    text = inputs.get("userData")
    return {**inputs, "userData": user_data_hash(text)} if text else inputs


def _state(found: Body, known: State) -> State:
    image, public = found.get("image") or {}, found["public_net"]
    location = found.get("location") or found["datacenter"]["location"]
    state: State = {key: known[key] for key in UNREAD if key in known}
    if known.get("networks"):
        state["networks"] = [_from_network(each, known["networks"]) for each in found["private_net"]]
    by_id = str(image.get("id")) == str(known.get("image")) or not image.get("name")
    return {
        **state,
        "name": found["name"],
        "serverType": found["server_type"]["name"],
        "image": str(image["id"]) if image and by_id else image.get("name"),
        "location": location["name"],
        "labels": found["labels"],
        "backups": bool(found.get("backup_window")),
        "backupWindow": found.get("backup_window") or "",
        "firewallIds": [each["id"] for each in public["firewalls"]],
        "placementGroupId": (found.get("placement_group") or {}).get("id"),
        "deleteProtection": found["protection"]["delete"],
        "rebuildProtection": found["protection"]["rebuild"],
        "primaryDiskSize": found["primary_disk_size"],
        "status": found["status"],
        "ipv4Address": (public.get("ipv4") or {}).get("ip"),
        **_ipv6(public.get("ipv6")),
    }


def _ipv6(public: Body | None) -> State:
    """Return the server's IPv6 network and address; the last part of the address is 1, as in `2001:db8::1`."""
    if not public:
        return {"ipv6Address": None, "ipv6Network": None}
    network = ip_network(public["ip"], strict=False)
    return {"ipv6Address": str(network[1]), "ipv6Network": str(network)}


def _from_network(attached: Body, asked: list[Any]) -> State:
    own: State = next((each for each in asked if _network_of(each) == attached["network"]), {})
    state: State = {"ip": attached["ip"], "macAddress": attached["mac_address"], "aliasIps": attached["alias_ips"]}
    return {"networkId": attached["network"], **state, **given(own, subnetId="subnetId")}

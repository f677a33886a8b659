"""Implement `SshKey`, `Network`, `NetworkSubnet` and `ServerNetwork` for the offline stand-in."""

from __future__ import annotations

from typing import Any

from hcloud import APIException

from fds_offline.plugins.fields import changes
from fds_offline.plugins.hcloud.cloud import Body, Cloud, given, number, protect, recorded
from fds_offline.plugins.hcloud.fields import NETWORK
from fds_offline.plugins.resources import CrashError, PluginError, State


class SshKey:
    """A public SSH key of the Hetzner project."""

    def create(self, cloud: Cloud, inputs: State) -> tuple[str, State]:
        """Create the key."""
        body = given(inputs, name="name", public_key="publicKey", labels="labels")
        made = cloud.request("POST", "/ssh_keys", body)["ssh_key"]
        return str(made["id"]), self._state(made, inputs)

    def read(self, cloud: Cloud, resource_id: str, state: State) -> State | None:
        """Return the state that the API reports; None if the resource is gone."""
        found = cloud.get(f"/ssh_keys/{resource_id}", "ssh_key") if number(resource_id) else None
        return None if found is None else self._state(found, state)

    def update(self, cloud: Cloud, resource_id: str, state: State, inputs: State) -> State:
        """Change name and labels."""
        body = {"name": inputs["name"], "labels": inputs.get("labels", {})}
        return self._state(cloud.request("PUT", f"/ssh_keys/{resource_id}", body)["ssh_key"], inputs)

    def delete(self, cloud: Cloud, resource_id: str, state: State) -> None:
        """Delete the key."""
        cloud.delete(f"/ssh_keys/{resource_id}")

    def _state(self, found: Body, known: State) -> State:
        """Return the state. Keep the key of `known` if it equals the API's key apart from white space at the ends."""
        key = known.get("publicKey", "")
        return {
            "name": found["name"],
            "publicKey": key if key.strip() == found["public_key"].strip() else found["public_key"],
            "labels": found["labels"],
            "fingerprint": found["fingerprint"],
        }


class Network:
    """A private network."""

    def create(self, cloud: Cloud, inputs: State) -> tuple[str, State]:
        """Create the network, and protect it against deletion if requested."""
        body = given(
            inputs, name="name", ip_range="ipRange", labels="labels", expose_routes_to_vswitch="exposeRoutesToVswitch"
        )
        made = cloud.request("POST", "/networks", body)["network"]
        resource_id = str(made["id"])
        with recorded(resource_id, inputs):
            if inputs["deleteProtection"]:
                protect(cloud, f"/networks/{resource_id}", delete=True)
            return resource_id, self.read(cloud, resource_id, inputs) or inputs

    def read(self, cloud: Cloud, resource_id: str, state: State) -> State | None:
        """Return the state that the API reports; None if the resource is gone."""
        found = cloud.get(f"/networks/{resource_id}", "network") if number(resource_id) else None
        return found and {
            "name": found["name"],
            "ipRange": found["ip_range"],
            "labels": found["labels"],
            "deleteProtection": found["protection"]["delete"],
            "exposeRoutesToVswitch": found["expose_routes_to_vswitch"],
        }

    def update(self, cloud: Cloud, resource_id: str, state: State, inputs: State) -> State:
        """Apply the changed inputs; a change of the IP range replaces the network instead."""
        changed = changes(NETWORK, state, inputs, ())
        if changed.keys() - {"deleteProtection"}:
            body = {"name": inputs["name"], "labels": inputs.get("labels", {})}
            body["expose_routes_to_vswitch"] = inputs["exposeRoutesToVswitch"]
            cloud.request("PUT", f"/networks/{resource_id}", body)
        if "deleteProtection" in changed:
            protect(cloud, f"/networks/{resource_id}", delete=inputs["deleteProtection"])
        return self.read(cloud, resource_id, inputs) or inputs

    def delete(self, cloud: Cloud, resource_id: str, state: State) -> None:
        """Delete the network."""
        cloud.delete(f"/networks/{resource_id}")


class NetworkSubnet:
    """A subnet; its ID is `<network>-<range>`."""

    def create(self, cloud: Cloud, inputs: State) -> tuple[str, State]:
        """Add the subnet to its network."""
        body = given(inputs, type="type", network_zone="networkZone", ip_range="ipRange", vswitch_id="vswitchId")
        path = f"/networks/{inputs['networkId']}/actions/add_subnet"
        resource_id = f"{inputs['networkId']}-{inputs['ipRange']}"
        answer = cloud.retry(lambda: cloud.request("POST", path, body), ("conflict",))
        with recorded(resource_id, inputs):
            cloud.settle(answer)
            return resource_id, self.read(cloud, resource_id, inputs) or inputs

    def read(self, cloud: Cloud, resource_id: str, state: State) -> State | None:
        """Return the state that the API reports; None if the network is gone.

        Raises:
            CrashError: the network exists, but has no such subnet.
        """
        subnet = _subnet(cloud, resource_id)
        return subnet and {
            "networkId": int(split_subnet(resource_id)[0]),
            "type": subnet["type"],
            "networkZone": subnet["network_zone"],
            "ipRange": subnet["ip_range"],
            "gateway": subnet["gateway"],
            "vswitchId": subnet.get("vswitch_id") if subnet["type"] == "vswitch" else None,
        }

    def update(self, cloud: Cloud, resource_id: str, state: State, inputs: State) -> State:
        """Change nothing, because no input of a subnet can be changed in place; return its current state."""
        return self.read(cloud, resource_id, inputs) or inputs

    def delete(self, cloud: Cloud, resource_id: str, state: State) -> None:
        """Delete the subnet. If it stays in use, leave it: it is removed when its network is deleted."""
        network, subnet_range = split_subnet(resource_id)
        if _subnet(cloud, resource_id) is None:
            return
        path, body = f"/networks/{network}/actions/delete_subnet", {"ip_range": subnet_range}
        try:
            cloud.retry(lambda: cloud.do("POST", path, body), ("conflict", "locked", "service_error"), tries=10)
        except APIException as error:
            if error.code not in ("not_found", "service_error"):
                raise


def _subnet(cloud: Cloud, resource_id: str) -> Body | None:
    """Return the subnet; None if its network is gone. If only the subnet is gone, crash like the official provider."""
    network, subnet_range = split_subnet(resource_id)
    found = cloud.get(f"/networks/{network}", "network")
    if found is None:
        return None
    for subnet in found["subnets"]:
        if subnet["ip_range"] == subnet_range:
            return dict(subnet)
    raise CrashError(f"network {network} has no subnet {subnet_range}")


class ServerNetwork:
    """The attachment of a server to a network; its ID is `<server>-<network>`."""

    def create(self, cloud: Cloud, inputs: State) -> tuple[str, State]:
        """Attach the server to the network."""
        if bool(inputs.get("networkId")) == bool(inputs.get("subnetId")):
            raise PluginError("a ServerNetwork needs either networkId or subnetId")
        network = attach_to_network(cloud, inputs["serverId"], inputs)
        resource_id = f"{inputs['serverId']}-{network}"
        return resource_id, self.read(cloud, resource_id, inputs) or inputs

    def read(self, cloud: Cloud, resource_id: str, state: State) -> State | None:
        """Return the state that the API reports; None if the resource is gone."""
        server, _, network = resource_id.partition("-")
        found = cloud.get(f"/servers/{server}", "server")
        attached = next((e for e in (found or {}).get("private_net", ()) if str(e["network"]) == network), None)
        return attached and {
            "serverId": int(server),
            "networkId": attached["network"],
            "subnetId": state.get("subnetId"),
            "ip": attached["ip"],
            "aliasIps": attached["alias_ips"],
            "macAddress": attached["mac_address"],
        }

    def update(self, cloud: Cloud, resource_id: str, state: State, inputs: State) -> State:
        """Change the alias IP addresses."""
        server, _, network = resource_id.partition("-")
        body = {"network": int(network), "alias_ips": inputs["aliasIps"]}
        cloud.do("POST", f"/servers/{server}/actions/change_alias_ips", body)
        return self.read(cloud, resource_id, inputs) or inputs

    def delete(self, cloud: Cloud, resource_id: str, state: State) -> None:
        """Detach the server from the network."""
        server, _, network = resource_id.partition("-")
        detach_from_network(cloud, server, int(network))


def split_subnet(resource_id: str) -> tuple[str, str]:
    """Return the network's ID and the IP range from the ID of a subnet."""
    network, dash, subnet_range = resource_id.partition("-")
    if not dash or not number(network):
        raise PluginError(f"'{resource_id}' is not an ID of a subnet, which has the form NETWORK-RANGE")
    return network, subnet_range


def attach_to_network(cloud: Cloud, server: Any, wanted: State) -> int:
    """Attach a server to the network that `networkId` or `subnetId` names; return the ID of the network."""
    body = given(wanted, ip="ip", alias_ips="aliasIps")
    network = wanted.get("networkId")
    if wanted.get("subnetId"):
        network, body["ip_range"] = split_subnet(wanted["subnetId"])
    body["network"] = int(network or 0)
    again = ("conflict", "locked", "service_error", "no_subnet_available")
    try:
        cloud.retry(lambda: cloud.do("POST", f"/servers/{server}/actions/attach_to_network", body), again)
    except APIException as error:
        if error.code != "server_already_attached":
            raise
    return int(body["network"])


def detach_from_network(cloud: Cloud, server: Any, network: int) -> None:
    """Detach a server from a network, if it is attached."""
    path = f"/servers/{server}/actions/detach_from_network"
    try:
        cloud.retry(lambda: cloud.do("POST", path, {"network": network}), ("conflict", "locked", "service_error"))
    except APIException as error:
        if error.code not in ("not_found", "server_not_attached"):
            raise

"""Implement `hcloud:index/primaryIp:PrimaryIp` and `Rdns` for the offline stand-in."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from hcloud import APIException

from fds_offline.plugins.fields import changes
from fds_offline.plugins.hcloud.cloud import Cloud, given, number, protect, recorded
from fds_offline.plugins.hcloud.fields import PRIMARY_IP
from fds_offline.plugins.resources import PluginError, State

OWNERS = {"s": ("serverId", "/servers", "server"), "p": ("primaryIpId", "/primary_ips", "primary_ip")}
"""The kind of object that has the address, by the first letter of an `Rdns` ID: a server or a primary IP.

Each value is `(input, path, key)`: the input of `Rdns` with the object's ID, the API's path for such objects, and the
key of the object in a response of the API."""


class PrimaryIp:
    """A public IP address that is a separate resource and can be assigned to a server."""

    def create(self, cloud: Cloud, inputs: State) -> tuple[str, State]:
        """Create the address at a location, or for a server."""
        if bool(inputs.get("location")) == bool(inputs.get("assigneeId")):
            raise PluginError("a PrimaryIp needs either location or assigneeId")
        body = given(
            inputs, name="name", type="type", auto_delete="autoDelete", labels="labels", location="location",
            assignee_id="assigneeId",
        )  # fmt: skip
        body["assignee_type"] = inputs.get("assigneeType") or "server"
        answer = cloud.request("POST", "/primary_ips", body)
        resource_id = str(answer["primary_ip"]["id"])
        with recorded(resource_id, inputs):
            cloud.settle(answer)
            if inputs["deleteProtection"]:
                protect(cloud, f"/primary_ips/{resource_id}", delete=True)
            return resource_id, self.read(cloud, resource_id, inputs) or inputs

    def read(self, cloud: Cloud, resource_id: str, state: State) -> State | None:
        """Return the state that the API reports; None if the resource is gone."""
        found = cloud.get(f"/primary_ips/{resource_id}", "primary_ip") if number(resource_id) else None
        if found is None:
            return None
        location = found.get("location") or found["datacenter"]["location"]
        network = found["ip"] if found["type"] == "ipv6" else None
        return {
            "name": found["name"],
            "type": found["type"],
            "location": location["name"],
            "assigneeId": found["assignee_id"] or 0,
            "assigneeType": found["assignee_type"],
            "autoDelete": found["auto_delete"],
            "labels": found["labels"],
            "deleteProtection": found["protection"]["delete"],
            "ipAddress": found["ip"].partition("/")[0],
            "ipNetwork": network,
        }

    def update(self, cloud: Cloud, resource_id: str, state: State, inputs: State) -> State:
        """Apply the changed inputs; a change of type or location replaces the address instead."""
        changed = changes(PRIMARY_IP, state, inputs, ())
        path = f"/primary_ips/{resource_id}"
        if "deleteProtection" in changed:
            protect(cloud, path, delete=inputs["deleteProtection"])
        if "assigneeId" in changed:
            if state.get("assigneeId"):
                cloud.do("POST", f"{path}/actions/unassign")
            body = {"assignee_id": inputs["assigneeId"], "assignee_type": inputs.get("assigneeType") or "server"}
            cloud.do("POST", f"{path}/actions/assign", body)
        if changed.keys() & {"name", "labels", "autoDelete"}:
            body = {"name": inputs["name"], "labels": inputs.get("labels", {}), "auto_delete": inputs["autoDelete"]}
            cloud.request("PUT", path, body)
        return self.read(cloud, resource_id, inputs) or inputs

    def delete(self, cloud: Cloud, resource_id: str, state: State) -> None:
        """Delete the address. If a server has it, switch the server off, unassign the address, and start the server."""
        path = f"/primary_ips/{resource_id}"
        found = cloud.get(path, "primary_ip")
        if found is None:
            return
        if found["assignee_id"]:
            server = f"/servers/{found['assignee_id']}/actions"
            for step in (f"{server}/poweroff", f"{path}/actions/unassign", f"{server}/poweron"):
                with suppress(APIException, PluginError):  # the server may be deleted at the same time
                    cloud.do("POST", step)
        cloud.delete(path, tries=10, again=("conflict", "locked", "resource_in_use", "must_be_unassigned"))


class Rdns:
    """A reverse DNS entry; its ID is `s-SERVER-ADDRESS` or `p-PRIMARY_IP-ADDRESS`."""

    def create(self, cloud: Cloud, inputs: State) -> tuple[str, State]:
        """Set the DNS name of the address."""
        letters = [letter for letter, (key, _, _) in OWNERS.items() if inputs.get(key)]
        if len(letters) != 1:
            raise PluginError("an Rdns needs either serverId or primaryIpId")
        resource_id = f"{letters[0]}-{inputs[OWNERS[letters[0]][0]]}-{inputs['ipAddress']}"
        _name(cloud, resource_id, inputs["dnsPtr"])
        return resource_id, dict(inputs)

    def read(self, cloud: Cloud, resource_id: str, state: State) -> State | None:
        """Return the state that the API reports; None if the resource is gone."""
        letter, owner, address = _parts(resource_id)
        key, path, kind = OWNERS[letter]
        found = cloud.get(f"{path}/{owner}", kind)
        pointer = None if found is None else _pointer(found, letter, address)
        return None if pointer is None else {key: int(owner), "ipAddress": address, "dnsPtr": pointer}

    def update(self, cloud: Cloud, resource_id: str, state: State, inputs: State) -> State:
        """Set another DNS name for the address."""
        _name(cloud, resource_id, inputs["dnsPtr"])
        return dict(inputs)

    def delete(self, cloud: Cloud, resource_id: str, state: State) -> None:
        """Reset the DNS name of the address to Hetzner's default."""
        try:
            _name(cloud, resource_id, None)
        except APIException as error:
            if error.code != "not_found":
                raise


def _parts(resource_id: str) -> tuple[str, str, str]:
    letter, owner, address = [*resource_id.split("-", maxsplit=2), "", ""][:3]
    if letter not in OWNERS or not number(owner):
        raise PluginError(
            f"'{resource_id}' is not an ID of an Rdns, which has the form s-SERVER-ADDRESS or p-PRIMARY_IP-ADDRESS"
        )
    return letter, owner, address


def _name(cloud: Cloud, resource_id: str, pointer: str | None) -> None:
    letter, owner, address = _parts(resource_id)
    path = f"{OWNERS[letter][1]}/{owner}/actions/change_dns_ptr"
    cloud.do("POST", path, {"ip": address, "dns_ptr": pointer})


def _pointer(found: dict[str, Any], letter: str, address: str) -> str | None:
    if letter == "p":
        entries = found["dns_ptr"]
    else:
        public = found["public_net"]
        ipv4, ipv6 = public.get("ipv4") or {}, public.get("ipv6") or {}
        if ipv4.get("ip") == address:
            return str(ipv4["dns_ptr"])
        entries = ipv6.get("dns_ptr") or []
    return next((str(each["dns_ptr"]) for each in entries if each["ip"] == address), None)

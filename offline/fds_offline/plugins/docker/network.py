"""Implement `docker:index/network:Network` for the offline stand-in."""

from __future__ import annotations

from typing import Any

from docker.errors import NotFound

from fds_offline.plugins.docker.common import from_labels, remove_when_unused, to_labels
from fds_offline.plugins.resources import PluginError, State


class Network:
    """A Docker network. Every change of its inputs replaces the network."""

    def create(self, client: Any, inputs: State) -> tuple[str, State]:
        """Create the network."""
        made = client.create_network(
            inputs["name"],
            driver=inputs.get("driver"),
            options=inputs.get("options"),
            ipam=_ipam(inputs),
            check_duplicate=True,
            internal=inputs.get("internal", False),
            labels=to_labels(inputs.get("labels")),
            enable_ipv6=inputs.get("ipv6", False),
            attachable=inputs.get("attachable"),
            ingress=inputs.get("ingress"),
        )
        state = self.read(client, made["Id"], {})
        if state is None:
            raise PluginError(f"the network {inputs['name']} disappeared while it was created")
        return made["Id"], state

    def read(self, client: Any, resource_id: str, state: State) -> State | None:
        """Return the state that the daemon reports; None if the resource is gone."""
        try:
            found = client.inspect_network(resource_id)
        except NotFound:
            return None
        return {
            "id": found["Id"],
            "name": found["Name"],
            "labels": from_labels(found["Labels"]),
            "driver": found["Driver"],
            "options": found["Options"] or {},
            "internal": found["Internal"],
            "attachable": found["Attachable"],
            "ingress": found["Ingress"],
            "ipv6": found["EnableIPv6"],
            "ipamDriver": found["IPAM"]["Driver"],
            "ipamOptions": found["IPAM"]["Options"] or {},
            "ipamConfigs": [_from_ipam(each) for each in found["IPAM"]["Config"] or ()],
            "scope": found["Scope"],
        }

    def update(self, client: Any, resource_id: str, state: State, inputs: State) -> State:
        """Change nothing, because a change of any input replaces the network."""
        return self.read(client, resource_id, state) or state

    def delete(self, client: Any, resource_id: str, state: State) -> None:
        """Remove the network once no container uses it, waiting at most 30 s."""
        remove_when_unused(lambda: client.remove_network(resource_id), "has active endpoints")


def _ipam(inputs: State) -> dict[str, Any]:
    pools = [
        {
            "Subnet": each.get("subnet"),
            "IPRange": each.get("ipRange"),
            "Gateway": each.get("gateway"),
            "AuxiliaryAddresses": each.get("auxAddress"),
        }
        for each in inputs.get("ipamConfigs", ())
    ]
    return {"Driver": inputs["ipamDriver"], "Config": pools, "Options": inputs.get("ipamOptions")}


def _from_ipam(pool: dict[str, Any]) -> dict[str, Any]:
    named = {
        "subnet": pool.get("Subnet"),
        "ipRange": pool.get("IPRange"),
        "gateway": pool.get("Gateway"),
        "auxAddress": pool.get("AuxiliaryAddresses"),
    }
    return {key: value for key, value in named.items() if value}

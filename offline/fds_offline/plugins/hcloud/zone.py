"""Implement `hcloud:index/zone:Zone` and `ZoneRrset` for the offline stand-in."""

from __future__ import annotations

from fds_offline.plugins.fields import changes
from fds_offline.plugins.hcloud.cloud import Body, Cloud, given, protect, recorded
from fds_offline.plugins.hcloud.fields import RRSET, ZONE
from fds_offline.plugins.resources import PluginError, State


class Zone:
    """A DNS zone with the mode `primary`."""

    def create(self, cloud: Cloud, inputs: State) -> tuple[str, State]:
        """Create the zone."""
        if inputs["mode"] != "primary":
            raise PluginError("the offline stand-in creates only zones of mode primary; use the official plugin")
        answer = cloud.request("POST", "/zones", given(inputs, name="name", mode="mode", ttl="ttl", labels="labels"))
        resource_id = str(answer["zone"]["id"])
        with recorded(resource_id, inputs):
            cloud.settle(answer)
            if inputs.get("deleteProtection"):
                protect(cloud, f"/zones/{resource_id}", delete=True)
            return resource_id, self.read(cloud, resource_id, inputs) or inputs

    def read(self, cloud: Cloud, resource_id: str, state: State) -> State | None:
        """Return the state that the API reports. On an import, `resource_id` is the ID or the name of the zone."""
        found = cloud.get(f"/zones/{resource_id}", "zone")
        return found and {
            "id": str(found["id"]),
            "name": found["name"],
            "mode": found["mode"],
            "ttl": found["ttl"],
            "labels": found["labels"],
            "deleteProtection": found["protection"]["delete"],
            "authoritativeNameservers": {"assigneds": found["authoritative_nameservers"]["assigned"]},
            "registrar": found.get("registrar"),
        }

    def update(self, cloud: Cloud, resource_id: str, state: State, inputs: State) -> State:
        """Change TTL, labels and protection."""
        changed = changes(ZONE, state, inputs, ())
        path = f"/zones/{resource_id}"
        if "ttl" in changed:
            cloud.do("POST", f"{path}/actions/change_ttl", {"ttl": inputs["ttl"]})
        if "deleteProtection" in changed:
            protect(cloud, path, delete=inputs["deleteProtection"])
        if "labels" in changed:
            cloud.request("PUT", path, {"labels": inputs.get("labels", {})})
        return self.read(cloud, resource_id, inputs) or inputs

    def delete(self, cloud: Cloud, resource_id: str, state: State) -> None:
        """Delete the zone with all its records."""
        cloud.delete(f"/zones/{resource_id}")


class ZoneRrset:
    """The DNS records of one name and type; the ID of this resource is `<name>/<type>`."""

    def create(self, cloud: Cloud, inputs: State) -> tuple[str, State]:
        """Add the records."""
        if inputs["type"] == "SOA":
            raise PluginError("the offline stand-in does not adopt SOA records; use the official plugin")
        body = given(inputs, name="name", type="type", ttl="ttl", labels="labels")
        body["records"] = _records(inputs)
        answer = cloud.request("POST", f"/zones/{inputs['zone']}/rrsets", body)
        resource_id = str(answer["rrset"]["id"])
        cloud.settle(answer)
        if inputs.get("changeProtection"):
            protect(cloud, _path(inputs["zone"], resource_id), change=True)
        return resource_id, self.read(cloud, resource_id, inputs) or inputs

    def read(self, cloud: Cloud, resource_id: str, state: State) -> State | None:
        """Return the state that the API reports. On an import, `resource_id` is `ZONE/NAME/TYPE`."""
        zone = state.get("zone")
        if zone is None:
            zone, _, resource_id = resource_id.partition("/")
        found = cloud.get(_path(zone, resource_id), "rrset")
        return found and {
            "id": found["id"],
            "zone": zone,
            "name": found["name"],
            "type": found["type"],
            "ttl": found["ttl"],
            "labels": found["labels"],
            "changeProtection": found["protection"]["change"],
            "records": [given(each, value="value", **_comment(each)) for each in found["records"]],
        }

    def update(self, cloud: Cloud, resource_id: str, state: State, inputs: State) -> State:
        """Apply the changed inputs; a change of zone, name or type replaces the records instead."""
        changed = changes(RRSET, state, inputs, ())
        path = _path(inputs["zone"], resource_id)
        protected = inputs.get("changeProtection")
        if "changeProtection" in changed and not protected:
            protect(cloud, path, change=False)
        if "ttl" in changed:
            cloud.do("POST", f"{path}/actions/change_ttl", {"ttl": inputs.get("ttl")})
        if "records" in changed:
            cloud.do("POST", f"{path}/actions/set_records", {"records": _records(inputs)})
        if "labels" in changed:
            cloud.request("PUT", path, {"labels": inputs.get("labels", {})})
        if "changeProtection" in changed and protected:
            protect(cloud, path, change=True)
        return self.read(cloud, resource_id, inputs) or inputs

    def delete(self, cloud: Cloud, resource_id: str, state: State) -> None:
        """Delete the records."""
        cloud.delete(_path(state["zone"], resource_id))


def _path(zone: str, resource_id: str) -> str:
    return f"/zones/{zone}/rrsets/{resource_id}"


def _comment(record: Body) -> dict[str, str]:
    """Return the keyword argument that makes `given` copy the record's comment; empty if the record has no comment."""
    return {"comment": "comment"} if record.get("comment") else {}


def _records(inputs: State) -> list[Body]:
    return [given(each, value="value", comment="comment") for each in inputs["records"]]

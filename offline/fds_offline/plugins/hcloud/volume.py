"""Implement `hcloud:index/volume:Volume` and `VolumeAttachment` for the offline stand-in."""

from __future__ import annotations

from typing import Any

from fds_offline.plugins.fields import changes
from fds_offline.plugins.hcloud.cloud import Cloud, given, number, protect, recorded
from fds_offline.plugins.hcloud.fields import VOLUME
from fds_offline.plugins.resources import State

AGAIN = ("conflict", "locked")


class Volume:
    """A volume, which may be attached to a server."""

    def create(self, cloud: Cloud, inputs: State) -> tuple[str, State]:
        """Create the volume, and attach and format it if requested."""
        body = given(
            inputs, name="name", size="size", location="location", server="serverId", labels="labels",
            automount="automount", format="format",
        )  # fmt: skip
        answer = cloud.retry(lambda: cloud.request("POST", "/volumes", body), ("locked",))
        resource_id = str(answer["volume"]["id"])
        with recorded(resource_id, inputs):
            cloud.settle(answer)
            if inputs["deleteProtection"]:
                protect(cloud, f"/volumes/{resource_id}", delete=True)
            return resource_id, self.read(cloud, resource_id, inputs) or inputs

    def read(self, cloud: Cloud, resource_id: str, state: State) -> State | None:
        """Return the state from the API, with the recorded `format` and `automount`; None if the resource is gone."""
        found = cloud.get(f"/volumes/{resource_id}", "volume") if number(resource_id) else None
        return found and {
            **{key: state[key] for key in ("automount", "format") if key in state},
            "name": found["name"],
            "size": found["size"],
            "location": found["location"]["name"],
            "serverId": found["server"],
            "labels": found["labels"],
            "deleteProtection": found["protection"]["delete"],
            "linuxDevice": found["linux_device"],
        }

    def update(self, cloud: Cloud, resource_id: str, state: State, inputs: State) -> State:
        """Change server, size, name, labels and protection; the API refuses a smaller size."""
        changed = changes(VOLUME, state, inputs, ())
        path = f"/volumes/{resource_id}"
        if "serverId" in changed:
            if state.get("serverId"):
                _detach(cloud, path)
            _attach(cloud, path, inputs)
        if "size" in changed:
            cloud.do("POST", f"{path}/actions/resize", {"size": inputs["size"]})
        if changed.keys() & {"name", "labels"}:
            cloud.request("PUT", path, {"name": inputs["name"], "labels": inputs.get("labels", {})})
        if "deleteProtection" in changed:
            protect(cloud, path, delete=inputs["deleteProtection"])
        return self.read(cloud, resource_id, inputs) or inputs

    def delete(self, cloud: Cloud, resource_id: str, state: State) -> None:
        """Detach and delete the volume."""
        path = f"/volumes/{resource_id}"
        found = cloud.get(path, "volume")
        if found is None:
            return
        if found["server"]:
            _detach(cloud, path)
        cloud.delete(path)


class VolumeAttachment:
    """The attachment of a volume to a server. The ID of this resource is the volume's ID."""

    def create(self, cloud: Cloud, inputs: State) -> tuple[str, State]:
        """Attach the volume."""
        resource_id = str(inputs["volumeId"])
        body = given(inputs, server="serverId", automount="automount")
        path = f"/volumes/{resource_id}/actions/attach"
        answer = cloud.retry(lambda: cloud.request("POST", path, body), ("locked",))
        with recorded(resource_id, inputs):
            cloud.settle(answer)
            return resource_id, self.read(cloud, resource_id, inputs) or inputs

    def read(self, cloud: Cloud, resource_id: str, state: State) -> State | None:
        """Return the state that the API reports; None if the resource is gone."""
        found = cloud.get(f"/volumes/{resource_id}", "volume") if number(resource_id) else None
        if not found or not found["server"]:
            return None
        kept = given(state, automount="automount")
        return {"volumeId": found["id"], "serverId": found["server"], **kept}

    def update(self, cloud: Cloud, resource_id: str, state: State, inputs: State) -> State:
        """Only record a new `automount`, because it has an effect only when a volume is attached."""
        return {**state, **inputs}

    def delete(self, cloud: Cloud, resource_id: str, state: State) -> None:
        """Detach the volume."""
        found = cloud.get(f"/volumes/{resource_id}", "volume")
        if found and found["server"]:
            _detach(cloud, f"/volumes/{resource_id}")


def _attach(cloud: Cloud, path: str, inputs: State) -> Any:
    body = given(inputs, server="serverId", automount="automount")
    return cloud.retry(lambda: cloud.do("POST", f"{path}/actions/attach", body), AGAIN)


def _detach(cloud: Cloud, path: str) -> Any:
    return cloud.retry(lambda: cloud.do("POST", f"{path}/actions/detach"), AGAIN)

"""Implement `docker:index/volume:Volume` for the offline stand-in."""

from __future__ import annotations

from typing import Any

from docker.errors import NotFound

from fds_offline.plugins.docker.common import from_labels, remove_when_unused, to_labels
from fds_offline.plugins.resources import PluginError, State


class Volume:
    """A named Docker volume; its ID is its name. Every change of its inputs replaces the volume."""

    def create(self, client: Any, inputs: State) -> tuple[str, State]:
        """Create the volume; if a volume of this name exists, the daemon returns it unchanged."""
        made = client.create_volume(
            inputs["name"], inputs.get("driver"), inputs.get("driverOpts"), to_labels(inputs.get("labels"))
        )
        state = self.read(client, made["Name"], {})
        if state is None:
            raise PluginError(f"the volume {inputs['name']} disappeared while it was created")
        return made["Name"], state

    def read(self, client: Any, resource_id: str, state: State) -> State | None:
        """Return the state that the daemon reports; None if the resource is gone."""
        try:
            found = client.inspect_volume(resource_id)
        except NotFound:
            return None
        return {
            "name": found["Name"],
            "labels": from_labels(found["Labels"]),
            "driver": found["Driver"],
            "driverOpts": found["Options"] or {},
            "mountpoint": found["Mountpoint"],
        }

    def update(self, client: Any, resource_id: str, state: State, inputs: State) -> State:
        """Change nothing, because a change of any input replaces the volume."""
        return self.read(client, resource_id, state) or state

    def delete(self, client: Any, resource_id: str, state: State) -> None:
        """Remove the volume once no container uses it, waiting at most 30 s."""
        remove_when_unused(lambda: client.remove_volume(resource_id, force=True), "volume is in use")

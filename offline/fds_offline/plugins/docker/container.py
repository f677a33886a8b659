"""Implement `docker:index/container:Container` for the offline stand-in."""

from __future__ import annotations

import time
from typing import Any

from docker.errors import APIError, NotFound

from fds_offline.plugins.docker.container_config import MIB, container_config
from fds_offline.plugins.docker.container_state import container_state
from fds_offline.plugins.docker.image import find_or_pull
from fds_offline.plugins.docker.uploads import upload
from fds_offline.plugins.resources import NotReadyError, PluginError, State

POLL_SECONDS = 0.25
"""Seconds between two checks of a container's health."""
_IN_PLACE = ("restart", "maxRetryCount", "cpuShares", "memory", "memoryReservation", "cpuSet", "memorySwap")


class Container:
    """Operations on a container, with the same steps as in the official provider, in the same order."""

    def create(self, client: Any, inputs: State) -> tuple[str, State]:
        """Create and start the container.

        Raises:
            NotReadyError: a step after the creation failed; Pulumi then records the container in its state.
        """
        failure = f"Unable to create container with image {inputs['image']}"
        find_or_pull(client, inputs["image"], inputs.get("platform"), failure=failure)
        made = client.create_container_from_config(container_config(inputs), inputs["name"], inputs.get("platform"))
        resource_id = made["Id"]
        try:
            _connect(client, resource_id, inputs)
            upload(client, resource_id, inputs.get("uploads", ()))
            logs = _start(client, resource_id, inputs)
            state = container_state(client.inspect_container(resource_id), inputs)
        except (APIError, PluginError) as error:
            raise NotReadyError(f"container {inputs['name']}: {error}", resource_id, inputs) from error
        return resource_id, state if logs is None else {**state, "containerLogs": logs}

    def read(self, client: Any, resource_id: str, state: State) -> State | None:
        """Return the state that the daemon reports; None if the resource is gone."""
        try:
            return container_state(client.inspect_container(resource_id), state)
        except NotFound:
            return None

    def update(self, client: Any, resource_id: str, state: State, inputs: State) -> State:
        """Change limits and the restart policy in place; start a container that must run but does not run."""
        if inputs["mustRun"] and not state.get("mustRun") and inputs["start"]:
            client.start(resource_id)
        if any((state.get(key) or 0) != (inputs.get(key) or 0) for key in _IN_PLACE):
            swap = inputs.get("memorySwap")
            client.update_container(
                resource_id,
                mem_limit=inputs.get("memory", 0) * MIB,
                mem_reservation=inputs["memoryReservation"] * MIB,
                memswap_limit=swap * MIB if swap and swap > 0 else swap,
                cpu_shares=inputs.get("cpuShares", 0),
                cpuset_cpus=inputs.get("cpuSet", ""),
                restart_policy={"Name": inputs["restart"], "MaximumRetryCount": inputs.get("maxRetryCount", 0)},
            )
        return {**state, **inputs}

    def delete(self, client: Any, resource_id: str, state: State) -> None:
        """Stop the container, unless `attach` is true, and remove it, by default with its anonymous volumes."""
        try:
            if not state.get("attach"):
                client.stop(resource_id, timeout=max(0, state.get("destroyGraceSeconds") or 0))
            client.remove_container(resource_id, v=bool(state.get("removeVolumes", True)), force=True)
        except NotFound:
            return
        except APIError as error:
            if "is already in progress" not in str(error):
                raise


def _connect(client: Any, resource_id: str, inputs: State) -> None:
    networks = inputs.get("networksAdvanced")
    if not networks:
        return
    try:
        client.disconnect_container_from_network(resource_id, "bridge")
    except APIError as error:
        if "is not connected to" not in str(error):
            raise
    for network in networks:
        client.connect_container_to_network(
            resource_id,
            network["name"],
            aliases=network.get("aliases"),
            ipv4_address=network.get("ipv4Address"),
            ipv6_address=network.get("ipv6Address"),
            link_local_ips=network.get("linkLocalIps"),
            mac_address=network.get("macAddress"),
            driver_opt=dict(each.split("=", maxsplit=1) for each in network.get("driverOpts", ())) or None,
        )


def _start(client: Any, resource_id: str, inputs: State) -> str | None:
    """Start the container and wait until it is healthy or has ended, as `inputs` request.

    Returns: the output of the container; None if the output is not requested.
    """
    if inputs["start"]:
        client.start(resource_id)
        if inputs["wait"]:
            _wait(client, resource_id, inputs["waitTimeout"])
    if not inputs["attach"]:
        return None
    client.wait(resource_id)
    return client.logs(resource_id).decode(errors="replace") if inputs["logs"] else None


def _wait(client: Any, resource_id: str, seconds: int) -> None:
    deadline = time.monotonic() + seconds
    while True:
        health: dict[str, Any] | None = client.inspect_container(resource_id)["State"].get("Health")
        if health is None:
            raise PluginError("'wait' is set, but the container has no healthcheck; remove 'wait' or add one")
        if health["Status"] == "healthy":
            return
        if time.monotonic() > deadline:
            raise PluginError("container failed to be in healthy state")
        time.sleep(POLL_SECONDS)

"""Implement `docker:index/remoteImage:RemoteImage` for the offline stand-in: pull or build an image on a host."""

from __future__ import annotations

from typing import Any

from docker.errors import APIError, ImageNotFound

from fds_offline.plugins.docker.build import build
from fds_offline.plugins.docker.connection import is_remote
from fds_offline.plugins.resources import PluginError, State

_UNREADABLE = "Unable to read Docker image into resource"


class RemoteImage:
    """An image with a name. As in the official provider, the resource's ID is the image's ID followed by this name."""

    def create(self, client: Any, inputs: State) -> tuple[str, State]:
        """Build the image if `build` is given, else find it on the host or pull it."""
        if inputs.get("build"):
            if inputs.get("pullTriggers"):
                raise PluginError(f"image {inputs['name']}: pullTriggers and build exclude each other")
            if is_remote(client) and not inputs["build"]["useLegacyBuilder"]:
                raise PluginError(
                    f"image {inputs['name']}: without useLegacyBuilder the official provider builds it by buildx, "
                    "on this machine's daemon, and does not find it at the host"
                )
            build(client, inputs["name"], inputs["build"])
        image = find_or_pull(client, inputs["name"], inputs.get("platform"))
        return image["Id"] + inputs["name"], _state(inputs, image)

    def read(self, client: Any, resource_id: str, state: State) -> State | None:
        """Return the state of the image that has this name now; None if no image has this name."""
        name = state.get("name") or resource_id
        try:
            image = client.inspect_image(name)
        except ImageNotFound:
            return None
        return {**_state({**state, "name": name}, image), "id": image["Id"] + name}

    def update(self, client: Any, resource_id: str, state: State, inputs: State) -> State:
        """Record new values of `keepLocally` and `forceRemove`; a change of any other input replaces the resource."""
        return _state(inputs, find_or_pull(client, inputs["name"], inputs.get("platform")))

    def delete(self, client: Any, resource_id: str, state: State) -> None:
        """Remove this name of the image unless `keepLocally` is set; Docker deletes an image that has no name left."""
        if state.get("keepLocally"):
            return
        try:
            client.remove_image(state["name"], force=bool(state.get("forceRemove")))
        except ImageNotFound:
            return


def _state(inputs: State, image: dict[str, Any]) -> State:
    return {**inputs, "imageId": image["Id"], "repoDigest": _digest(inputs["name"], image.get("RepoDigests") or [])}


def _digest(name: str, digests: list[str]) -> str:
    """Return the first of `digests` that begins with the text before the first colon in `name`, else the first one.

    Each digest is written `REPOSITORY@sha256:…`. As in the official provider, a digest in `name` is ignored. So the
    result may be another digest of the image, even one of another registry.
    """
    start = name.partition(":")[0]
    return next((digest for digest in digests if digest.startswith(start)), next(iter(digests), ""))


def find_or_pull(client: Any, name: str, platform: str | None = None, *, failure: str = _UNREADABLE) -> dict[str, Any]:
    """Return the image with this name or ID; pull it if the host does not have it.

    Args:
        failure: text with which the error message begins.

    Raises:
        PluginError: `name` is empty, or the image cannot be pulled.
    """
    if not name:
        raise PluginError("an image needs a name")
    try:
        return dict(client.inspect_image(name))
    except ImageNotFound:
        pass
    try:
        for _ in client.pull(*_repository_and_tag(name), platform=platform, stream=True, decode=True):
            pass  # like the official provider, ignore all messages in the stream, even the reason of a failure
    except APIError as error:
        reason = f"error pulling image {name}: Error response from daemon: {error.explanation}"
        raise PluginError(f"{failure}: unable to pull image {name}: {reason}") from error
    try:
        return dict(client.inspect_image(name))
    except ImageNotFound as error:
        raise PluginError(f"{failure}: unable to find or pull image {name}") from error


def _repository_and_tag(name: str) -> tuple[str, str | None]:
    if "@" in name:
        return name, None
    repository, colon, tag = name.rpartition(":")
    return (repository, tag) if colon and "/" not in tag else (name, "latest")

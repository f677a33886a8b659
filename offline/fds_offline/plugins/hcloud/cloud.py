"""Send the resources' requests to the Hetzner Cloud API with the hcloud SDK, and wait for actions."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import requests
from hcloud import APIException, Client, HCloudException

from fds_offline.plugins.resources import NotReadyError, PluginError, State

ENDPOINT = "https://api.hetzner.cloud/v1"
TOKEN_CHARACTERS = 64
REQUEST_SECONDS = (10.0, 120.0)
"""Time limits for opening the connection, and for the wait for a response."""
TRIES = 5
LONGEST_PAUSE_SECONDS = 5.0
ACTION_SECONDS = 5400.0
"""Time limit of an action; the official provider has the same limit for actions of a server."""
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0}

Body = dict[str, Any]


def connect(settings: State) -> Cloud:
    """Return a client for the project of the API token, which is in the provider's inputs or in `HCLOUD_TOKEN`.

    Raises:
        PluginError: the token is missing or has the wrong length, or `pollInterval` is not a duration.
    """
    token = settings.get("token") or os.environ.get("HCLOUD_TOKEN") or ""
    if len(token) != TOKEN_CHARACTERS:
        raise PluginError(f"the Hetzner Cloud token (HCLOUD_TOKEN) must have exactly {TOKEN_CHARACTERS} characters")
    endpoint = settings.get("endpoint") or os.environ.get("HCLOUD_ENDPOINT") or ENDPOINT
    interval = settings.get("pollInterval") or "500ms"
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m)", interval)
    if found is None:
        raise PluginError(f"pollInterval must be a duration such as 500ms, not '{interval}'")
    growth = 1 if settings.get("pollFunction") == "constant" else 2
    client = Client(token, endpoint.rstrip("/"), application_name="freelancer-data-stack", timeout=REQUEST_SECONDS)
    return Cloud(client, float(found[1]) * _UNITS[found[2]], growth)


class Cloud:
    """Client for one Hetzner project. The SDK itself retries requests after conflicts, rate limits and time-outs."""

    def __init__(self, client: Client, poll_seconds: float, poll_growth: int) -> None:
        self._client = client
        self._poll = poll_seconds
        self._growth = poll_growth

    def request(self, method: str, path: str, body: Body | None = None) -> Body:
        """Send one request. Like the official provider, do not retry if the API is unavailable (503)."""
        return self._client.request(method, path, json=body)

    def get(self, path: str, kind: str) -> Body | None:
        """Return the object under `kind` in the response; None if it does not exist."""
        try:
            return dict(self.request("GET", path)[kind])
        except APIException as error:
            if error.code == "not_found":
                return None
            raise

    def do(self, method: str, path: str, body: Body | None = None) -> Body:
        """Send a request and wait for its actions."""
        answer = self.request(method, path, body)
        self.settle(answer)
        return answer

    def settle(self, answer: Body) -> None:
        """Wait for every action in a response.

        Raises:
            PluginError: an action fails, or does not end in `ACTION_SECONDS`.
        """
        single = [answer["action"]] if answer.get("action") else []
        for action in [*single, *answer.get("actions", ()), *answer.get("next_actions", ())]:
            self._wait(action)

    def _wait(self, action: Body) -> None:
        deadline = time.monotonic() + ACTION_SECONDS
        pause = self._poll
        while action["status"] == "running":
            if time.monotonic() > deadline:
                raise PluginError(f"{action['command']} did not end in {ACTION_SECONDS:.0f} s")
            time.sleep(min(pause, LONGEST_PAUSE_SECONDS))
            pause *= self._growth
            action = self.request("GET", f"/actions/{action['id']}")["action"]
        if action["status"] == "error":
            error = action.get("error") or {}
            raise PluginError(f"{action['command']} failed: {error.get('message')} ({error.get('code')})")

    def delete(self, path: str, tries: int = TRIES, again: tuple[str, ...] = ("conflict", "locked")) -> None:
        """Delete an object, if it exists. Try up to `tries` times while the API returns an error code in `again`."""
        try:
            self.retry(lambda: self.do("DELETE", path), again, tries)
        except APIException as error:
            if error.code != "not_found":
                raise

    def retry(self, work: Callable[[], Any], again: tuple[str, ...], tries: int = TRIES) -> Any:
        """Call `work` up to `tries` times, with growing pauses, as long as the API returns an error code in `again`."""
        for attempt in range(tries):
            try:
                return work()
            except APIException as error:
                if error.code not in again or attempt == tries - 1:
                    raise
            time.sleep(min(LONGEST_PAUSE_SECONDS, 2**attempt))
        return None


@contextmanager
def recorded(resource_id: str, inputs: State) -> Iterator[None]:
    """Run the block; if it fails, raise an error that makes the engine record the already created resource."""
    try:
        yield
    except (APIException, PluginError, requests.RequestException) as error:
        raise NotReadyError(readable(error) or str(error), resource_id, inputs) from error


def readable(error: Exception) -> str | None:
    """Return the message of an expected failure; None for other errors.

    For a broken connection, return the same message as the official provider.
    """
    if isinstance(error, requests.ConnectionError) and error.request is not None:
        return f'{str(error.request.method).capitalize()} "{error.request.url}": EOF'
    return str(error) if isinstance(error, (HCloudException, requests.RequestException)) else None


def given(inputs: Mapping[str, Any], **names: str) -> Body:
    """Return a request body with the inputs that are set; `names` maps names in the API to names of inputs."""
    return {api: inputs[name] for api, name in names.items() if inputs.get(name) is not None}


def number(resource_id: str) -> str | None:
    """Return `resource_id` if it is a number, as the IDs of most objects in the API are; None for any other text."""
    return resource_id if re.fullmatch(r"\d+", resource_id) else None


def protect(cloud: Cloud, path: str, **what: bool) -> None:
    """Switch protections of the object at `path` on or off; `delete=True` protects it against deletion."""
    cloud.do("POST", f"{path}/actions/change_protection", dict(what))

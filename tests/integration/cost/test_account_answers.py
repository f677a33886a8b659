"""Test that a malformed answer of the Hetzner API is an error with a next step, and does not cause an endless wait."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import hcloud._client
import pytest

from infra.cost.planning.model import Server
from infra.hosts.base import TargetInputs
from infra.hosts.hetzner import api as hetzner_api
from infra.hosts.hetzner import recovery, token
from infra.hosts.hetzner.account import Account, records_of
from infra.hosts.hetzner.server import target
from infra.hosts.hetzner.zones import network_zone
from infra.settings import Settings
from stack_runtime.errors import StackError, UnknownError, UnreachableError
from tests.integration.cost.scripted import Answer, ScriptedServer

SETTINGS = Settings.of("answers", {"host": "hetzner", "dnsZone": "example.org", "domain": "a.example.org"})
TOKEN = "x" * 64


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    """Yield a scripted API at HCLOUD_ENDPOINT; the client repeats requests without a pause."""
    with ScriptedServer() as api, pytest.MonkeyPatch.context() as patch:
        patch.setattr(hcloud._client, "uniform", lambda *_: 0.0)
        patch.setattr(hetzner_api, "PAUSES_S", (0.0,))
        patch.setattr(recovery, "PAUSE_S", 0.0)
        patch.setattr(token, "_cached", {"answers": TOKEN})
        patch.setenv("HCLOUD_ENDPOINT", f"http://127.0.0.1:{api.server_port}/v1")
        threading.Thread(target=api.serve_forever, args=(0.02,), daemon=True).start()
        yield api
        api.stop.set()
        api.shutdown()


@pytest.mark.parametrize("text", ["x" * 63 + "€", "x" * 64 + "\n", "two words", "\u200b" + "x" * 64])
def test_token_that_no_request_can_contain_is_named_in_the_error(server: ScriptedServer, text: str) -> None:
    with pytest.raises(UnreachableError, match=r"token in HCLOUD_TOKEN .* characters that no token has") as caught:
        hetzner_api.connect(text)
    assert caught.value.next_command and text not in str(caught.value)


def _page(path: str, entries: Any, page: int, following: Any) -> Answer:
    kind = path.removeprefix("/v1/").partition("/")[0]
    return 200, {kind: entries, "meta": {"pagination": {"page": page, "per_page": 50, "next_page": following}}}


_READS: dict[str, Callable[[], object]] = {
    "resources": lambda: Account.of(SETTINGS, "one"),
    "resizes": lambda: recovery.settled(SETTINGS, "one", print),
    "start": lambda: recovery.switch_on(SETTINGS, "1", print),
    "protection": lambda: recovery.lift_protection(SETTINGS, "one", {}, volumes=True),
    "records": lambda: hetzner_api.request("answers", lambda api: records_of(api, SETTINGS)),
    "token": lambda: hetzner_api.verify(TOKEN),
}


@pytest.mark.parametrize("read", ["resources", "resizes", "start", "protection", "records"])
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, {"error": {"code": "internal", "message": "no"}}),
        (200, b"null"),
        (200, b"[]"),
        (200, b""),
        (200, b'{"servers": [{"id": 1'),
        (422, {"error": {"message": "no code"}}),
        (422, {"error": "text"}),
    ],
    ids=["error", "null", "list", "empty", "truncated", "without a code", "a text as error"],
)
def test_malformed_answer_is_an_error_with_the_next_step(
    server: ScriptedServer, status: int, body: Any, read: str
) -> None:
    server.script = lambda path, page: (status, body)
    with pytest.raises(UnknownError, match=r"the API.s answer .*; next: try again"):
        _READS[read]()


def test_answer_401_with_an_unreadable_body_is_an_error(server: ScriptedServer) -> None:
    server.script = lambda path, page: (401, {"error": "text"})
    with pytest.raises(UnknownError, match="cannot be read"):
        _READS["token"]()


@pytest.mark.parametrize("following", [1, -1, 7, True, "2"])
@pytest.mark.parametrize("read", ["resources", "resizes", "protection"])
def test_invalid_number_of_the_next_page_is_an_error(server: ScriptedServer, read: str, following: Any) -> None:
    server.script = lambda path, page: _page(path, [], page, following)
    with pytest.raises(UnknownError, match="cannot be read"):
        _READS[read]()


def test_endless_pages_are_an_error(server: ScriptedServer) -> None:
    server.script = lambda path, page: _page(path, [], page, page + 1)
    with pytest.raises(UnknownError, match="cannot be read"):
        _READS["protection"]()


def test_resources_of_all_pages_are_found(server: ScriptedServer) -> None:
    def script(path: str, page: int) -> Answer:
        if path.endswith("/ssh_keys"):
            return _page(
                path, [] if page == 1 else [{"id": 7, "name": "key", "labels": {}}], page, 2 if page == 1 else None
            )
        if path.endswith("/zones/example.org"):
            return 404, {"error": {"code": "not_found", "message": "no zone"}}
        return _page(path, [], page, None)

    server.script = script
    assert Account.of(SETTINGS, "one").ids == {"ssh_key": "7"}


@pytest.mark.parametrize("read", ["resources", "resizes", "start", "protection", "token"])
def test_answer_that_comes_byte_by_byte_ends_in_an_error_after_a_time_limit(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, read: str
) -> None:
    monkeypatch.setattr(hetzner_api, "READ_S", 0.5)
    monkeypatch.setattr(hetzner_api, "WRITE_S", 0.5)
    monkeypatch.setattr(server, "chunk", 1)
    monkeypatch.setattr(server, "pause", 0.05)
    server.script = lambda path, page: (200, b"{" + b" " * 1000 + b"}")
    began = time.monotonic()
    with pytest.raises(UnreachableError, match=r"did not finish its answer within 0.5 s .*; next: try again"):
        _READS[read]()
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("location", ["iad", "lhr1"])
def test_network_zone_of_a_location_that_is_not_documented_comes_from_the_api(
    server: ScriptedServer, location: str
) -> None:
    place = {"id": 9, "name": location, "network_zone": f"zone-of-{location}"}
    server.script = lambda path, page: _page(path, [place], page, None)
    assert network_zone("answers", location) == f"zone-of-{location}"


@pytest.mark.parametrize("places", [[], [{"id": 9, "name": "iad"}], [{"id": 9, "name": "iad", "network_zone": ""}]])
def test_no_resource_is_registered_for_a_location_whose_network_zone_is_unknown(
    server: ScriptedServer, places: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    server.script = lambda path, page: _page(path, places, page, None)
    registered: list[Any] = []
    monkeypatch.setattr("infra.hosts.hetzner.server._ServerResources", lambda *_: registered.append(_))
    inputs = cast(TargetInputs, SimpleNamespace(settings=SETTINGS, secrets=None, options=None))
    planned = Server.model_construct(type="cpx22", location="iad")
    with pytest.raises(UnknownError, match=r"zone of location iad is unknown.*; next: fds scale location=fsn1"):
        target(inputs, planned, Path())
    assert not registered


def test_network_zone_of_a_documented_location_needs_no_request(server: ScriptedServer) -> None:
    server.script = lambda path, page: (500, b"")
    assert {network_zone("answers", place) for place in ("fsn1", "nbg1", "hel1")} == {"eu-central"}


@pytest.mark.parametrize(
    ("state", "ends"), [("error", "failed in the account"), ("running", "did not end in the account")]
)
def test_error_about_an_unsuccessful_action_names_the_action(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, state: str, ends: str
) -> None:
    action = {"id": 5, "command": "start_server", "status": state, "error": {"code": "failed", "message": "no room"}}
    server.script = lambda path, page: (200, {"action": action})
    connect = hetzner_api.connect

    def impatient(opened_by: str) -> Any:
        client = connect(opened_by)
        client._client._poll_max_retries = 1
        return client

    monkeypatch.setattr(hetzner_api, "connect", impatient)
    with pytest.raises(
        UnreachableError, match=rf"start_server {ends}.*; next: look at it in the Hetzner console"
    ) as raised:
        hetzner_api.request("answers", lambda api: api.actions.get_by_id(5).wait_until_finished())
    assert isinstance(raised.value, StackError) and raised.value.exit_code == 5

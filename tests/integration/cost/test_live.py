"""Test how prices are read from the Hetzner API; an invalid, refused or slow response becomes an error."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import hcloud._client
import pytest

from infra.cost.sources.live import Account
from infra.hosts.hetzner import api as hetzner_api
from stack_runtime.errors import UnknownError, UnreachableError
from stack_runtime.paths import PROJECT
from tests.integration.cost.scripted import Answer, Script, ScriptedServer
from tests.kit.hetzner.api import HetznerAPI
from tests.unit.cost import kit

TODAY = date(2026, 10, 8)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedServer]:
    """Yield a scripted API at HCLOUD_ENDPOINT; the client repeats requests without a pause."""
    monkeypatch.setattr(hcloud._client, "uniform", lambda *_: 0.0)
    monkeypatch.setattr(hetzner_api, "PAUSES_S", (0.0, 0.0))
    with ScriptedServer() as api:
        monkeypatch.setenv("HCLOUD_ENDPOINT", f"http://127.0.0.1:{api.server_port}/v1")
        thread = threading.Thread(target=api.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield api
        api.stop.set()
        api.shutdown()


def _page(entries: list[Any], page: int = 1, following: int | None = None, total: int | None = None) -> Answer:
    pagination = {"page": page, "next_page": following, "total_entries": total}
    return 200, {"server_types": entries, "meta": {"pagination": pagination}}


NO_SERVERS = {"servers": [], "meta": {"pagination": {"page": 1}}}


def _valid_response(path: str, page: int) -> Answer:
    types = kit.SERVER_TYPES
    if path.endswith("/pricing"):
        return 200, kit.PRICING
    if path.endswith("/servers"):
        return 200, NO_SERVERS
    return _page(types[:9], 1, 2, len(types)) if page == 1 else _page(types[9:], 2, None, len(types))


def _with_server_types(answer: Callable[[int], Answer]) -> Script:
    return lambda path, page: answer(page) if path.endswith("/server_types") else _valid_response(path, page)


def test_all_pages_of_server_types_are_read(server: ScriptedServer) -> None:
    server.script = _valid_response
    found = Account("token").prices(TODAY)
    assert set(found.server_types) == {kind["name"] for kind in kit.SERVER_TYPES}
    assert found.date == TODAY


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("looping", lambda page: _page(kit.SERVER_TYPES[:3], page, 1)),
        ("repeated", lambda page: _page(kit.SERVER_TYPES[:3], page, page + 1)),
        ("out of order", lambda page: _page(kit.SERVER_TYPES[3 * page :], 3 - page, None)),
        ("skipping", lambda page: _page(kit.SERVER_TYPES[:3], page, page + 2)),
        ("too few", lambda page: _page(kit.SERVER_TYPES[:3], 1, None, 14)),
        ("endless", lambda page: _page([{**kit.SERVER_TYPES[0], "id": page}], page, page + 1)),
        ("without meta", lambda page: (200, {"server_types": kit.SERVER_TYPES})),
        ("no list", lambda page: (200, {"server_types": None, "meta": {}})),
        ("a list at the top", lambda page: (200, [])),
        ("not JSON", lambda page: (200, b"<html>")),
        ("too deep", lambda page: (200, b"[" * 200_000)),
        ("empty", lambda page: (200, b"")),
        ("NaN", lambda page: (200, b'{"server_types": [NaN], "meta": {"pagination": {"page": 1}}}')),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_invalid_list_of_server_types_is_an_error(server: ScriptedServer, name: str, answer: Any) -> None:
    server.script = _with_server_types(answer)
    with pytest.raises(UnknownError) as caught:
        Account("token").prices(TODAY)
    assert caught.value.exit_code == 4


PRICING = json.dumps(kit.PRICING).encode()
TYPES = json.dumps(_page(kit.SERVER_TYPES)[1]).encode()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda text: text.replace(b'"gross":', b'"gross": "99.00", "gross":', 1), "has 'gross' twice"),
        (lambda text: text.replace(b'"location":', b'"location": "ash", "location":', 1), "has 'location' twice"),
        (lambda text: b'{"server_types": [], "pricing": {}, ' + text[1:], "twice in one object"),
        (lambda text: b'{"NaN": NaN, ' + text[1:], "has the number NaN"),
        (lambda text: b'{"more": Infinity, ' + text[1:], "has the number Infinity"),
        (lambda text: b"\xef\xbb\xbf" + text, "is not JSON"),
        (lambda text: text.decode().encode("utf-16"), "is not JSON"),
        (lambda text: text + b"{}", "is not JSON"),
        (lambda text: text + b" " * 2**22, "is larger than 4 MiB"),
    ],
    ids=["price", "place", "whole list", "NaN", "Infinity", "mark", "UTF-16", "trailing", "huge"],
)
@pytest.mark.parametrize("path", ["/pricing", "/server_types"])
def test_response_with_duplicate_keys_invalid_json_or_more_than_4_mib_is_an_error(
    server: ScriptedServer, path: str, change: Any, says: str
) -> None:
    answers = {"/pricing": PRICING, "/server_types": TYPES, "/servers": json.dumps(NO_SERVERS).encode()}
    changed = answers | {path: change(answers[path])}
    server.script = lambda requested, page: (200, answers[requested.removeprefix("/v1")])
    assert Account("token").prices(TODAY).currency == "EUR"
    server.script = lambda requested, page: (200, changed[requested.removeprefix("/v1")])
    with pytest.raises(UnknownError, match=f"the answer to {path} .*{says}") as caught:
        Account("token").prices(TODAY)
    assert caught.value.exit_code == 4


def test_duplicate_json_key_in_a_list_of_volumes_is_an_error(server: ScriptedServer) -> None:
    server.script = lambda path, page: (
        200,
        b'{"volumes": [{"id": 1, "size": 900, "size": 10}], "meta": {"pagination": {"page": 1}}}',
    )
    with pytest.raises(UnknownError, match="has 'size' twice"):
        Account("token").entries({"volumes": {}})


def test_redirect_is_followed(server: ScriptedServer) -> None:
    """The final response must be strict JSON, but the redirect need not be JSON."""
    server.script = lambda path, page: (302, b"elsewhere") if path == "/v1/pricing" else _valid_response(path, page)
    server.location = "/v1/new/pricing"
    assert Account("token").prices(TODAY).currency == "EUR"


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (401, {"error": {"code": "unauthorized", "message": "bad"}}, "refuses the token in HCLOUD_TOKEN"),
        (403, {"error": {"code": "forbidden", "message": "bad"}}, "refuses the token in HCLOUD_TOKEN"),
        (429, {"error": {"code": "rate_limit_exceeded", "message": "slow down"}}, "too many requests"),
        (500, {"error": {"code": "server_error", "message": "o\x1bh"}}, "server_error: oh"),
        (503, b"<html>", "503"),
        (401, b"", "refuses the token"),
    ],
)
def test_error_response_is_an_error_with_the_reason_and_exit_code_5(
    server: ScriptedServer, status: int, body: Any, says: str
) -> None:
    server.script = lambda path, page: (status, body)
    with pytest.raises(UnreachableError, match=says) as caught:
        Account("secret-token").prices(TODAY)
    assert caught.value.exit_code == 5
    assert f"127.0.0.1:{server.server_port}" in str(caught.value)
    assert "secret-token" not in str(caught.value)


def test_error_response_of_an_unknown_shape_is_an_error(server: ScriptedServer) -> None:
    server.script = lambda path, page: (500, {"error": "broken"})
    with pytest.raises((UnknownError, UnreachableError)):
        Account("token").prices(TODAY)


def test_request_is_repeated_after_a_response_with_status_429(server: ScriptedServer) -> None:
    calls: list[str] = []

    def script(path: str, page: int) -> Answer:
        calls.append(path)
        if len(calls) == 1:
            return 429, {"error": {"code": "rate_limit_exceeded", "message": "slow down"}}
        return _valid_response(path, page)

    server.script = script
    assert Account("token").prices(TODAY).currency == "EUR"


def test_truncated_response_is_an_error(server: ScriptedServer) -> None:
    server.script, server.missing = _valid_response, 100
    server.chunk = 1000
    with pytest.raises(UnreachableError):
        Account("token", seconds=3).prices(TODAY)


def test_slow_response_times_out(server: ScriptedServer) -> None:
    server.script, server.chunk, server.pause = _valid_response, 1, 0.05
    began = time.monotonic()
    with pytest.raises(UnreachableError, match="within"):
        Account("token", seconds=0.5).prices(TODAY)
    assert time.monotonic() - began < 5


def test_refused_connection_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HCLOUD_ENDPOINT", "http://127.0.0.1:9/v1")
    with pytest.raises(UnreachableError, match="does not answer"):
        Account("token").prices(TODAY)


@pytest.mark.parametrize(
    ("project", "prices", "known"), [(PROJECT, True, True), ("website", True, False), (PROJECT, False, False)]
)
def test_withdrawn_type_of_a_server_of_this_project_has_the_price_of_the_server_but_cannot_be_ordered(
    project: str, prices: bool, known: bool, server: ScriptedServer
) -> None:
    kind = next(one for one in kit.SERVER_TYPES if one["name"] == "cpx22")
    shown = kind if prices else {**kind, "prices": []}
    rows = [{"id": number, "labels": {"project": project}, "server_type": shown} for number in (1, 2)]

    def script(path: str, page: int) -> Answer:
        if path.endswith("/servers"):
            return 200, {**NO_SERVERS, "servers": rows if project == PROJECT else []}
        if path.endswith("/server_types"):
            return _page([one for one in kit.SERVER_TYPES if one["name"] != "cpx22"])
        return _valid_response(path, page)

    server.script = script
    found = Account("token").prices(TODAY).server_types
    assert ("cpx22" in found) == known
    if known:
        offers, listed = found["cpx22"].offers, kit.SHIPPED_PRICES.server_types["cpx22"].offers
        assert {place: offer.rent for place, offer in offers.items()} == {p: one.rent for p, one in listed.items()}
        assert not any(offer.orderable(TODAY) for offer in offers.values())


def test_server_types_of_the_test_double_equal_the_shipped_server_types(monkeypatch: pytest.MonkeyPatch) -> None:
    with HetznerAPI() as api:
        monkeypatch.setenv("HCLOUD_ENDPOINT", api.endpoint)
        found = Account(api.read_only_token).prices(TODAY)
    assert found.server_types == kit.SHIPPED_PRICES.server_types

"""Test that the stand-in for Metabase behaves like Metabase, above all that it refuses the same invalid requests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from stack_runtime.metabase.client import Metabase, MetabaseError
from tests.kit.metabase.server import StandIn, metabase
from tests.kit.metabase.state import HIDDEN, State

EMAIL, PASSWORD = "admin@metabase.internal", "a-password-1"
DETAILS = {"host": "postgres", "port": 5432, "dbname": "marts", "user": "reader", "password": "p"}
DATABASE = {"name": "Marts", "engine": "postgres", "details": DETAILS}


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    with metabase(State()) as found:
        yield found


@pytest.fixture
def client(stand_in: StandIn) -> Metabase:
    """Return a client that is logged in to the stand-in."""
    found = Metabase(stand_in.url)
    found.set_up(_setup(stand_in))
    return found


def _setup(stand_in: StandIn, **user: Any) -> dict[str, Any]:
    return {
        "token": stand_in.state.token,
        "user": {"email": EMAIL, "password": PASSWORD, **user},
        "prefs": {"site_name": "Site"},
    }


def _status(client: Metabase, verb: str, path: str, body: Any = None) -> int:
    with pytest.raises(MetabaseError) as raised:
        client.request(verb, path, body)
    return raised.value.status


def test_objects_cannot_be_read_or_created_without_a_session(stand_in: StandIn) -> None:
    stranger = Metabase(stand_in.url)
    assert stranger.properties()["has-user-setup"] is False
    for path in ("/api/database", "/api/card", "/api/collection", "/api/dashboard"):
        assert _status(stranger, "GET", path) == 401
    assert _status(stranger, "POST", "/api/collection", {"name": "n"}) == 401


@pytest.mark.parametrize(
    "user", [{"email": "admin@localhost"}, {"email": "admin"}, {"password": "short"}, {"password": "without-a-digit"}]
)
def test_account_with_an_invalid_email_or_a_weak_password_is_refused(stand_in: StandIn, user: dict[str, str]) -> None:
    assert _status(Metabase(stand_in.url), "POST", "/api/setup", _setup(stand_in, **user)) == 400
    assert stand_in.state.users == {}


def test_setup_needs_the_setup_token_and_works_once(stand_in: StandIn) -> None:
    stranger = Metabase(stand_in.url)
    assert _status(stranger, "POST", "/api/setup", {**_setup(stand_in), "token": "another"}) == 400
    stranger.set_up(_setup(stand_in))
    assert stranger.properties() == {"has-user-setup": True, "setup-token": None, "site-name": "Site"}
    assert _status(stranger, "POST", "/api/setup", _setup(stand_in)) == 403
    with pytest.raises(MetabaseError, match="401"):
        stranger.log_in(EMAIL, "another-1")


@pytest.mark.parametrize(
    ("verb", "path", "body", "status"),
    [
        ("POST", "/api/database", {**DATABASE, "engine": "duckdb"}, 400),
        ("POST", "/api/database", {"name": "Marts", "engine": "postgres"}, 400),
        ("PUT", "/api/database/77", {"details": DETAILS}, 404),
        ("POST", "/api/collection", {"name": ""}, 400),
        ("POST", "/api/collection", None, 400),
        ("POST", "/api/card", {"name": "n", "display": "table", "visualization_settings": {}}, 400),
        ("POST", "/api/dashboard", {"name": "n", "collection_id": 77}, 404),
        ("POST", "/api/dashboard/1/cards", {"cardId": 1}, 404),
        ("GET", "/api/dashboard/77", None, 404),
        ("GET", "/api/card?f=nothing", None, 400),
        ("DELETE", "/api/card/1", None, 404),
    ],
)
def test_invalid_request_is_refused(client: Metabase, verb: str, path: str, body: Any, status: int) -> None:
    assert _status(client, verb, path, body) == status


def test_dashboard_refuses_an_invalid_card_position_and_loses_the_cards_that_a_request_omits(client: Metabase) -> None:
    database = client.create("/api/database", DATABASE)
    query = {"type": "native", "database": database, "native": {"query": "select 1"}}
    body = {"name": "n", "display": "table", "visualization_settings": {}, "dataset_query": query}
    card, dashboard = client.create("/api/card", body), client.create("/api/dashboard", {"name": "n"})
    path, place = f"/api/dashboard/{dashboard}", {
        "id": -1,
        "card_id": card,
        "row": 0,
        "col": 0,
        "size_x": 4,
        "size_y": 4,
    }
    for wrong in ({"card_id": 77}, {"id": 5}, {"size_x": 0}, {"col": 24}, {"row": -1}):
        assert _status(client, "PUT", path, {"dashcards": [{**place, **wrong}]}) in (400, 404), wrong
    (made,) = client.request("PUT", path, {"dashcards": [place]})["dashcards"]
    assert made["id"] > 0
    assert client.request("PUT", path, {"dashcards": []})["dashcards"] == []
    absent = {**body, "dataset_query": {**query, "database": 77}}
    assert _status(client, "POST", "/api/card", absent) == 404


def test_database_keeps_its_password_if_the_placeholder_shown_for_it_is_sent_back(
    client: Metabase, stand_in: StandIn
) -> None:
    number = client.create("/api/database", DATABASE)
    shown = client.get_object(f"/api/database/{number}")["details"]
    assert shown["password"] == HIDDEN
    client.request("PUT", f"/api/database/{number}", {"details": {**shown, "host": "elsewhere"}})
    assert stand_in.state.databases[0]["details"] == {**DETAILS, "host": "elsewhere"}


def test_database_that_cannot_be_reached_is_refused() -> None:
    def connects(_: Any) -> None:
        raise OSError("no such host")

    with metabase(State(connects)) as stand_in:
        client = Metabase(stand_in.url)
        client.set_up(_setup(stand_in))
        assert _status(client, "POST", "/api/database", DATABASE) == 400
        assert stand_in.state.databases == []

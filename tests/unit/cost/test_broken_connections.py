"""Test that a request which only reads from the Hetzner API is retried after its connection broke."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from hcloud import Client

from infra.cost.sources.live import Account
from infra.hosts.hetzner import account, api, token
from stack_runtime.errors import UnreachableError
from tests.unit.cost import kit

ERRORS = (requests.ConnectionError("reset by peer"), requests.exceptions.ChunkedEncodingError("ended early"))


class _Connection:
    """Test double of the HTTP session: the first `broken` requests fail, the others get an empty list."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, broken: int, error: Exception) -> None:
        self.sent = 0
        self._broken, self._error = broken, error
        monkeypatch.setattr(requests.Session, "request", lambda _, **request: self._answer(**request))
        monkeypatch.setattr(api, "PAUSES_S", (0.0,) * len(api.PAUSES_S))
        monkeypatch.setattr(token, "_cached", {"prod": "x" * 64})

    def _answer(self, url: str, hooks: Any = None, **_: Any) -> requests.Response:
        self.sent += 1
        if self.sent <= self._broken:
            raise self._error
        kind = url.rpartition("/")[2]
        found = requests.Response()
        found.status_code = 200
        found._content = (
            f'{{"{kind}": [], "meta": {{"pagination": {{"page": 1, "per_page": 50, "next_page": null}}}}}}'.encode()
        )
        return found


@pytest.mark.parametrize("error", ERRORS, ids=repr)
@pytest.mark.parametrize("broken", [1, api.CONNECTION_RETRIES])
def test_reading_the_account_continues_after_broken_connections(
    monkeypatch: pytest.MonkeyPatch, error: Exception, broken: int
) -> None:
    connection = _Connection(monkeypatch, broken, error)
    assert Account("x" * 64).entries({"servers": {}}) == {"servers": []}
    assert connection.sent == broken + 1
    connection.sent = 0
    assert account.server_created_at(kit.settings(), "one") is None
    assert connection.sent == broken + 1


@pytest.mark.parametrize("error", ERRORS, ids=repr)
def test_reading_the_account_ends_if_the_connection_always_breaks(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    connection = _Connection(monkeypatch, 100, error)
    with pytest.raises(UnreachableError, match="the API does not answer"):
        Account("x" * 64).entries({"servers": {}})
    assert connection.sent == api.CONNECTION_RETRIES + 1


def test_request_that_changes_something_is_not_repeated_after_its_connection_broke(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def create(client: Client) -> Any:
        return client.request("POST", "/volumes", json={"name": "data"})

    connection = _Connection(monkeypatch, 1, ERRORS[0])
    with pytest.raises(UnreachableError):
        api.request("prod", create)
    assert connection.sent == 1

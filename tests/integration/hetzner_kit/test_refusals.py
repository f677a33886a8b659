"""Test that the double of the Hetzner API refuses invalid requests with the error codes of the real API."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.hetzner_kit.conftest import code, public_key, send
from tests.kit.hetzner import HetznerAPI

SERVER: dict[str, Any] = {"name": "box", "server_type": "cpx22", "image": "debian-12", "location": "fsn1"}
RULE: dict[str, Any] = {"direction": "in", "protocol": "tcp", "port": "22", "source_ips": ["0.0.0.0/0"]}
ZONE = {"name": "example.org", "mode": "primary"}


@pytest.mark.parametrize(
    ("path", "body", "expected", "field"),
    [
        ("/servers", SERVER | {"server_type": "cx1"}, "invalid_input", "server_type"),
        ("/servers", SERVER | {"location": "moon"}, "invalid_input", "location"),
        ("/servers", SERVER | {"image": "debian-99"}, "invalid_input", "image"),
        ("/servers", SERVER | {"name": "not a host"}, "invalid_input", "name"),
        ("/servers", SERVER | {"name": "under_score"}, "invalid_input", "name"),
        ("/servers", SERVER | {"labels": {"-bad": "x"}}, "invalid_input", "labels"),
        ("/servers", SERVER | {"labels": {"ok": "no spaces here"}}, "invalid_input", "labels"),
        ("/servers", SERVER | {"user_data": "x" * 32_769}, "invalid_input", "user_data"),
        ("/servers", SERVER | {"ssh_keys": ["nobody"]}, "invalid_input", "ssh_keys"),
        ("/servers", SERVER | {"colour": "red"}, "invalid_input", "colour"),
        ("/servers", {"name": "box"}, "invalid_input", "server_type"),
        ("/servers", SERVER | {"server_type": "cx23"}, "resource_unavailable", None),
        ("/volumes", {"name": "v", "size": 9, "location": "fsn1"}, "invalid_input", "size"),
        ("/volumes", {"name": "v", "size": 10_241, "location": "fsn1"}, "invalid_input", "size"),
        ("/volumes", {"name": "v", "size": 10, "location": "fsn1", "format": "btrfs"}, "invalid_input", "format"),
        ("/volumes", {"name": "v", "size": 10}, "invalid_input", "location"),
        ("/networks", {"name": "n", "ip_range": "8.8.8.0/24"}, "invalid_input", "ip_range"),
        ("/firewalls", {"name": "f", "rules": [RULE | {"port": "0"}]}, "invalid_input", "rules.port"),
        ("/firewalls", {"name": "f", "rules": [RULE | {"source_ips": []}]}, "invalid_input", "rules.source_ips"),
        ("/firewalls", {"name": "f", "rules": [RULE | {"source_ips": ["1.2.3.4/8"]}]}, "invalid_input", None),
        ("/ssh_keys", {"name": "k", "public_key": "ssh-ed25519 AAAA"}, "invalid_input", "public_key"),
        ("/zones", ZONE | {"name": "Example"}, "invalid_input", "name"),
        ("/nothing", {}, "not_found", None),
    ],
)
def test_invalid_request_gets_the_expected_error_code_and_changes_nothing(
    api: HetznerAPI, path: str, body: dict[str, Any], expected: str, field: str | None
) -> None:
    answer = send(api, "POST", path, body)
    assert code(answer) == expected
    if field is not None:
        assert answer.json()["error"]["details"]["fields"][0]["name"].startswith(field)
    assert api.account() == api.empty()


@pytest.mark.parametrize("size", [10, 9])
def test_resize_that_does_not_grow_the_volume_is_refused(api: HetznerAPI, size: int) -> None:
    volume = send(api, "POST", "/volumes", {"name": "v", "size": 10, "location": "fsn1"}).json()["volume"]["id"]
    api.settle()
    answer = send(api, "POST", f"/volumes/{volume}/actions/resize", {"size": size})
    assert (answer.status_code, code(answer)) == (422, "invalid_input")


def test_duplicate_name_or_key_is_refused(api: HetznerAPI) -> None:
    key = public_key()
    requests = [
        ("/servers", SERVER), ("/volumes", {"name": "v", "size": 10, "location": "fsn1"}), ("/zones", ZONE),
        ("/networks", {"name": "n", "ip_range": "10.0.0.0/8"}), ("/firewalls", {"name": "f"}),
        ("/ssh_keys", {"name": "k", "public_key": key}),
    ]  # fmt: skip
    for path, body in requests:
        assert send(api, "POST", path, body).status_code == 201
        again = send(api, "POST", path, body)
        assert (again.status_code, code(again)) == (409, "uniqueness_error")
    other_name = send(api, "POST", "/ssh_keys", {"name": "other", "public_key": key})
    assert code(other_name) == "uniqueness_error"


def test_wrong_or_read_only_token_is_refused(api: HetznerAPI) -> None:
    for wrong in ("", "wrong"):
        answer = send(api, "GET", "/servers", token=wrong)
        assert (answer.status_code, code(answer)) == (401, "unauthorized")
    assert send(api, "GET", "/servers", token=api.read_only_token).status_code == 200
    answer = send(api, "POST", "/servers", SERVER, token=api.read_only_token)
    assert (answer.status_code, code(answer)) == (403, "token_readonly")
    assert api.account() == api.empty()


def test_removed_endpoints_are_refused_as_deprecated(api: HetznerAPI) -> None:
    for path in ("/datacenters", "/actions"):
        assert code(send(api, "GET", path)) == "deprecated_api_endpoint"
    assert code(send(api, "GET", "/servers/1")) == "not_found"


def test_headers_report_the_rate_limit_and_a_request_over_the_limit_gets_429() -> None:
    with HetznerAPI(rate_limit=2) as api:
        first = send(api, "GET", "/servers")
        assert (first.headers["RateLimit-Limit"], first.headers["RateLimit-Remaining"]) == ("2", "1")
        assert int(first.headers["RateLimit-Reset"]) > 0
        send(api, "GET", "/servers")
        refused = send(api, "GET", "/servers")
        assert (refused.status_code, code(refused)) == (429, "rate_limit_exceeded")


def test_request_body_that_is_not_a_json_object_is_refused(api: HetznerAPI) -> None:
    answer = send(api, "POST", "/servers", ["box"])
    assert (answer.status_code, code(answer)) == (400, "json_error")

"""Test the faults that the double of the Hetzner API injects, and what a killed client leaves in the account."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest
import requests
from hcloud import Client
from hcloud.actions import ActionFailedException
from hcloud.locations import Location

from tests.integration.hetzner_kit.conftest import code, public_key, send
from tests.kit.hetzner import HetznerAPI
from tests.kit.hetzner.errors import STATUS

NETWORK = {"name": "n", "ip_range": "10.0.0.0/8"}


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("412", "resource_unavailable"),
        ("429", "rate_limit_exceeded"),
        ("500", "server_error"),
        ("502", "bad_gateway"),
        ("503", "unavailable"),
        ("504", "timeout"),
        ("423", "locked"),
        ("token_readonly", "token_readonly"),
        ("resource_limit_exceeded", "resource_limit_exceeded"),
    ],
)
def test_fault_refuses_the_given_number_of_requests_and_they_change_nothing(
    api: HetznerAPI, kind: str, expected: str
) -> None:
    api.faults.add("POST", "^/networks$", 2, kind, skip=1)
    body = [NETWORK | {"name": f"n{i}"} for i in range(4)]
    answers = [send(api, "POST", "/networks", each) for each in body]
    status = int(kind) if kind.isdecimal() else STATUS[kind]
    assert [answer.status_code for answer in answers] == [201, status, status, 201]
    assert code(answers[1]) == expected
    assert api.account()["networks"] == 2
    assert [entry.status for entry in api.writes()] == [201, status, status, 201]


@pytest.mark.parametrize(("kind", "status"), [("503_after", 503), ("423_after", 423), ("server_error_after", 500)])
def test_fault_after_a_write_returns_an_error_but_keeps_the_write(api: HetznerAPI, kind: str, status: int) -> None:
    api.faults.add("POST", "^/networks$", 1, kind)
    assert send(api, "POST", "/networks", NETWORK).status_code == status
    assert api.account()["networks"] == 1


@pytest.mark.parametrize(("kind", "remaining"), [("cut", 0), ("cut_after", 1)])
def test_fault_closes_the_connection_before_or_after_a_write_without_a_response(
    api: HetznerAPI, kind: str, remaining: int
) -> None:
    api.faults.add("WRITE", "/networks", 1, kind)
    with pytest.raises(requests.ConnectionError):
        send(api, "POST", "/networks", NETWORK)
    assert api.account()["networks"] == remaining


def test_fault_action_error_makes_the_action_of_a_request_fail(api: HetznerAPI, client: Client) -> None:
    api.faults.add("POST", "^/volumes$", 1, "action_error")
    made = client.volumes.create(name="v", size=10, location=Location(name="fsn1"))
    with pytest.raises(ActionFailedException):
        made.action.wait_until_finished()


def test_request_can_be_paused_until_another_request_releases_it(api: HetznerAPI) -> None:
    control = api.endpoint.removesuffix("/v1") + "/_kit"
    headers = {"Authorization": f"Bearer {api.token}"}
    fault = {"method": "POST", "path": "/networks", "times": 1, "kind": "pause_before"}
    assert requests.post(f"{control}/faults", json=fault, headers=headers, timeout=5).status_code == 200
    waiting = threading.Thread(target=send, args=(api, "POST", "/networks", NETWORK))
    waiting.start()
    assert api.faults.wait_paused() == "POST /networks"
    assert requests.get(f"{control}/account", headers=headers, timeout=5).json()["networks"] == 0
    requests.post(f"{control}/release", headers=headers, timeout=5)
    waiting.join(10)
    assert requests.get(f"{control}/account", headers=headers, timeout=5).json()["networks"] == 1
    assert requests.get(f"{control}/account", timeout=5).status_code == 401


@pytest.mark.parametrize(("when", "remaining"), [("before", 1), ("after", 2)])
def test_client_killed_at_the_second_write_leaves_the_writes_that_took_effect(
    api: HetznerAPI, when: str, remaining: int
) -> None:
    keys = [public_key() for _ in range(3)]
    program = (
        "import os, sys, hcloud\n"
        "c = hcloud.Client(token=os.environ['HCLOUD_TOKEN'], api_endpoint=os.environ['HCLOUD_ENDPOINT'])\n"
        "for i, key in enumerate(sys.argv[1:]): c.ssh_keys.create(name=f'key-{i}', public_key=key)\n"
    )
    started = threading.Event()
    client_process: list[subprocess.Popen[bytes]] = []

    def kill() -> bool:
        started.wait(30)
        client_process[0].send_signal(signal.SIGKILL)
        client_process[0].wait(30)
        return False

    api.on_write(2, kill, when)
    client_process.append(
        subprocess.Popen([sys.executable, "-c", program, *keys], env={**os.environ, **api.environment})
    )
    started.set()
    assert client_process[0].wait(60) == -signal.SIGKILL
    api.settle()
    assert api.account()["ssh_keys"] == remaining

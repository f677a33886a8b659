"""Provide a simulated Hetzner account without resources for each test, and the official SDK as its client."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hcloud import Client

from tests.kit.hetzner import HetznerAPI


@pytest.fixture
def api() -> Iterator[HetznerAPI]:
    with HetznerAPI() as double:
        yield double


@pytest.fixture
def client(api: HetznerAPI) -> Client:
    return Client(token=api.token, api_endpoint=api.endpoint, poll_interval=0.02)


def public_key() -> str:
    """Return a new SSH public key."""
    key = Ed25519PrivateKey.generate().public_key()
    return key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def send(api: HetznerAPI, method: str, path: str, body: Any = None, token: str | None = None) -> requests.Response:
    """Send one plain request, without the retries of the SDK."""
    headers = {"Authorization": f"Bearer {api.token if token is None else token}"}
    return requests.request(method, api.endpoint + path, json=body, headers=headers, timeout=30)


def code(answer: requests.Response) -> str:
    """Return the error code of a response."""
    return str(answer.json()["error"]["code"])

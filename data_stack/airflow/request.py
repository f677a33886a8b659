"""Send one request to Airflow's API from inside its container: `python request.py METHOD PATH [BODY]`.

The script prints `{"status", "body"}`. It reads the password of the user `agent` in the container, so no password
leaves the container.
"""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

PASSWORDS = Path("/run/fds/passwords.json")
USER = "agent"
SECONDS = 15
MAX_BYTES = 1_000_000


def main(method: str, path: str, body: str | None = None) -> int:
    """Send the request and print the status and body of the response.

    Returns: 0 if the API answered the request, even with an error status; else 1, for example after a failed login.
    """
    server = f"http://{socket.gethostname()}:8080"
    login = {"username": USER, "password": json.loads(PASSWORDS.read_text())[USER]}
    try:
        _, answer = _send("POST", f"{server}/auth/token", json.dumps(login), {})
        token = {"Authorization": f"Bearer {answer['access_token']}"}
        status, answer = _send(method, f"{server}/api/v2{path}", body, token)
    except (OSError, ValueError, KeyError, TypeError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    print(json.dumps({"status": status, "body": answer}))
    return 0


def _send(method: str, url: str, body: str | None, headers: dict[str, str]) -> tuple[int, Any]:
    """Send one request and return status and JSON of the response."""
    headers = {"Accept": "application/json", "Content-Type": "application/json", **headers}
    request = Request(url, body.encode() if body else None, headers, method=method)  # noqa: S310, URL of this container
    try:
        with urlopen(request, timeout=SECONDS) as answer:  # noqa: S310
            data = answer.read(MAX_BYTES + 1)
            if len(data) > MAX_BYTES:
                raise ValueError("the answer is too long")
            return answer.status, json.loads(data)
    except HTTPError as error:
        text = error.read(MAX_BYTES)
        return error.code, json.loads(text) if text.startswith(b"{") else {}


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

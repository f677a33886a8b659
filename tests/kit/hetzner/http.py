"""Serve the API over HTTP: check token and rate limit, apply faults, and record each request in the journal.

The requests under `/_kit/` control the double.
"""

from __future__ import annotations

import copy
import json
import socket
import sys
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

from . import control
from .bodies import parse_json
from .errors import ApiError
from .faults import READS, Cut, Faults
from .routes import Answer, Routes
from .selectors import Query

Row = dict[str, Any]


@dataclass
class Entry:
    """One received request, with the status of its response; 0 stands for no response, or none yet."""

    method: str
    path: str
    body: Row
    status: int = 0


class RateLimit:
    """A rate limit: a bucket that holds up to `limit` requests and gains `limit` requests per hour."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._left = float(limit)
        self._at = time.monotonic()
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Take one request from the bucket; return False if the bucket is empty."""
        with self._lock:
            elapsed, self._at = time.monotonic() - self._at, time.monotonic()
            self._left = min(self.limit, self._left + elapsed * self.limit / 3600)
            if self._left < 1:
                return False
            self._left -= 1
            return True

    def headers(self) -> dict[str, str]:
        """Return the `RateLimit-*` headers of a response."""
        full = time.time() + (self.limit - self._left) * 3600 / self.limit
        return {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(int(self._left)),
            "RateLimit-Reset": str(int(full)),
        }


class Gateway(ThreadingHTTPServer):
    """The HTTP server. Requests with `token` may write; requests with `read_only_token` may only read."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, routes: Routes, faults: Faults, token: str, read_only_token: str, rate_limit: int) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.routes = routes
        self.faults = faults
        self.token = token
        self.read_only_token = read_only_token
        self.rate = RateLimit(rate_limit)
        self.journal: list[Entry] = []

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore closed connections of killed clients; show any other error, because it is a bug."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)

    def serve(self, entry: Entry, query: Query, token: str, raw: bytes) -> Answer:
        """Handle one request of the API, and return status and body of the response.

        Raises:
            ApiError: the request is refused.
            Cut: a fault closes the connection.
        """
        label = f"{entry.method} {entry.path}"
        hit, number = self.faults.begin(entry.method, entry.path)
        self._admit(entry.method, token)
        entry.body = parse_json(raw)
        self.faults.before(hit, number, label)
        account = self.routes.account
        with account.lock:
            longer = sum(fault.seconds for fault in hit if fault.kind == "slow_action")
            account.ahead = (longer, any(fault.kind == "action_error" for fault in hit))
            try:
                status, body = self.routes.answer(entry.method, entry.path, query, entry.body)
                body = copy.deepcopy(body)
            finally:
                account.ahead = (0.0, False)
        self.faults.after(hit, number, label)
        return status, body

    def _admit(self, method: str, token: str) -> None:
        if not self.rate.take():
            raise ApiError("rate_limit_exceeded", "limit of requests reached")
        if token not in (self.token, self.read_only_token):
            raise ApiError("unauthorized", "unable to authenticate")
        if token == self.read_only_token and method not in READS:
            raise ApiError("token_readonly", "the token is only allowed to perform GET requests")


class Handler(BaseHTTPRequestHandler):
    """Handle the requests of one connection."""

    server: Gateway
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing, because the journal contains the requests to the API."""

    def _handle(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        path, _, query = self.path.partition("?")
        if path.startswith("/_kit/"):
            self._send(*control.answer(self.server, self.command, path.removeprefix("/_kit/"), token, raw), {})
        elif path.startswith("/v1/"):
            self._serve(path.removeprefix("/v1"), parse_qs(query), token, raw)
        else:
            self._send(404, ApiError("not_found", "the API is at /v1").body(), {})

    def _serve(self, path: str, query: Query, token: str, raw: bytes) -> None:
        entry = Entry(self.command, path, {})
        self.server.journal.append(entry)
        headers = {"X-Correlation-Id": uuid.uuid4().hex[:16]}
        try:
            status, body = self.server.serve(entry, query, token, raw)
        except Cut:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        except ApiError as error:
            status, body = error.status, error.body()
            if status == 429:
                headers["Retry-After"] = "1"
        entry.status = status
        self._send(status, body, headers | self.server.rate.headers())

    def _send(self, status: int, body: Row | None, headers: Mapping[str, str]) -> None:
        payload = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if body is not None:
            self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)
        self.wfile.flush()

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _handle

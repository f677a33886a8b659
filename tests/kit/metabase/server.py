"""Serve the stand-in for Metabase: check each request against the schema, and fail on demand."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import parse_qsl, urlsplit

import jsonschema

from tests.kit.metabase.schema import BODIES, QUERIES
from tests.kit.metabase.state import Refusal, State

_PUBLIC = {("GET", "/api/health"), ("GET", "/api/session/properties"), ("POST", "/api/setup"), ("POST", "/api/session")}


@dataclass
class Fault:
    """A fault: for one request that changes something, the connection is closed without a response.

    Args:
        when: whether the connection is closed before or after the request takes effect.
        skip: number of requests that change something and come before the failing request.
    """

    when: Literal["before", "after"]
    skip: int = 0


@dataclass
class StandIn:
    """A running stand-in.

    `requests` lists method, path and body of each supported and well-formed request, even if it is then refused. Health
    checks and the requests received while `starting` is true are left out.
    """

    state: State
    url: str = ""
    starting: bool = False
    """Whether the stand-in answers like a Metabase that is still migrating its database."""
    fault: Fault | None = None
    requests: list[tuple[str, str, Any]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def changes(self) -> list[str]:
        """Return the received requests that change something, except logins."""
        return [f"{verb} {path}" for verb, path, _ in self.requests if verb != "GET" and path != "/api/session"]

    def answer(self, verb: str, target: str, session: str, text: bytes) -> tuple[int, Any]:
        """Return status and body of the answer to a request."""
        with self.lock:
            try:
                return 200, self._answer(verb, target, session, text)
            except Refusal as refusal:
                self.refused.append(f"{verb} {target}: {refusal}")
                return refusal.status, refusal.body

    def _answer(self, verb: str, target: str, session: str, text: bytes) -> Any:
        address = urlsplit(target)
        path = address.path.rstrip("/")
        number = re.search(r"/(\d+)(?=/|$)", path)
        request = (verb, re.sub(r"/\d+(?=/|$)", "/{id}", path))
        if self.starting:
            raise Refusal(503, {"status": "initializing", "progress": 0.3})
        if request == ("GET", "/api/health"):
            return {"status": "ok"}
        if request not in QUERIES:
            raise Refusal(404, "API endpoint does not exist.")
        body = self._body(request, text)
        self.requests.append((verb, target, body))
        if request not in _PUBLIC and session not in self.state.sessions:
            raise Refusal(401, "Unauthenticated")
        query = dict(parse_qsl(address.query, keep_blank_values=True))
        for name, value in query.items():
            if value not in QUERIES[request].get(name, ()):
                raise Refusal(400, {"errors": {name: "is not allowed"}})
        changes = verb != "GET" and request != ("POST", "/api/session")
        self._fail("before", changes)
        answer = self.state.answer(request, int(number[1]) if number else None, query, body)
        self._fail("after", changes)
        return answer

    @staticmethod
    def _body(request: tuple[str, str], text: bytes) -> Any:
        if request not in BODIES:
            return None
        try:
            body = json.loads(text)
            jsonschema.validate(body, BODIES[request])
        except ValueError:
            raise Refusal(400, "Malformed JSON in request body.") from None
        except jsonschema.ValidationError as error:
            raise Refusal(400, {"errors": {".".join(map(str, error.path)) or "body": error.message}}) from None
        return body

    def _fail(self, when: str, changes: bool) -> None:
        """Raise `ConnectionAbortedError` if the fault is set for `when` and `skip` changing requests have passed."""
        if self.fault is None or not changes or self.fault.when != when:
            return
        if self.fault.skip:
            self.fault.skip -= 1
            return
        self.fault = None
        raise ConnectionAbortedError


@contextmanager
def metabase(state: State, address: str = "127.0.0.1", port: int = 0) -> Iterator[StandIn]:
    """Run the stand-in at `address` inside a `with` block; port 0 selects a free port."""
    found = StandIn(state)
    server = ThreadingHTTPServer((address, port), _handler(found))
    server.daemon_threads = True
    found.url = f"http://{address}:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(stand_in: StandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            text = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            session = self.headers.get("X-Metabase-Session", "")
            try:
                status, body = stand_in.answer(self.command, self.path, session, text)
            except ConnectionAbortedError:
                self.close_connection = True  # close without a response
                return
            data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/plain" if isinstance(body, str) else "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_DELETE = _serve

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    return Handler

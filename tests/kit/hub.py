"""Run a test double of an image registry: it answers every request for an image with a given error."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

RATE_LIMIT = (429, "TOOMANYREQUESTS", "You have reached your unauthenticated pull rate limit.")
UNAUTHORIZED = (401, "UNAUTHORIZED", "incorrect username or password")


@contextmanager
def refusing_hub(refusal: tuple[int, str, str]) -> Iterator[str]:
    """Run the registry on the loopback interface inside a `with` block; yield its `host:port`, which has no TLS.

    Args:
        refusal: HTTP status, error code and message.
    """
    status, code, message = refusal

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b"{}"
            if self.path.rstrip("/") != "/v2":
                body = json.dumps({"errors": [{"code": code, "message": message}]}).encode()
            self.send_response(200 if self.path.rstrip("/") == "/v2" else status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()

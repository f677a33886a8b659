"""Serve over HTTP the responses that a test scripts, including wrong and slow responses."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Answer = tuple[int, Any]
Script = Callable[[str, int], Answer]
"""Function from path and page number to status and body; bytes are sent unchanged, any other body as JSON."""


class _Handler(BaseHTTPRequestHandler):
    """Send the scripted responses; a body of bytes is sent unchanged."""

    server: ScriptedServer

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        page = int(parse_qs(url.query).get("page", ["1"])[0])
        status, body = self.server.script(url.path, page)
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data) + self.server.missing))
        if self.server.location:
            self.send_header("Location", self.server.location)
        self.end_headers()
        for start in range(0, len(data), self.server.chunk):
            self.wfile.write(data[start : start + self.server.chunk])
            if self.server.stop.wait(self.server.pause):
                break

    def log_message(self, *_: Any) -> None:
        """Log nothing."""


class ScriptedServer(ThreadingHTTPServer):
    daemon_threads = True
    script: Script
    missing = 0
    location = ""
    chunk = 1_000_000
    pause = 0.0

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.stop = threading.Event()

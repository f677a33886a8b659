"""Run a test double of a language model: a local server with OpenAI's chat-completions API and scripted tool calls.

Like the real API, the double refuses other paths, wrong API keys, and bodies without messages.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "key-of-the-test"
Call = tuple[str, dict[str, Any]]
"""A tool call: the name of the tool and the arguments."""


@dataclass
class Model:
    """The running double: its URL, and the bodies of the requests that it did not refuse."""

    url: str
    requests: list[dict[str, Any]] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment variables with which `fds ask` uses this model."""
        return {"FDS_MODEL": "openai-chat:double", "OPENAI_BASE_URL": self.url, "OPENAI_API_KEY": KEY}


@contextmanager
def scripted_model(turns: Iterable[list[Call]], name: str = "double") -> Iterator[Model]:
    """Yield a model whose n-th response makes the calls of the n-th turn; after the last turn, the status is 500."""
    left = iter(turns)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.path != "/v1/chat/completions" or "messages" not in body:
                return self._answer(404, {"error": {"message": "no such thing"}})
            if self.headers["Authorization"] != f"Bearer {KEY}":
                return self._answer(401, {"error": {"message": "wrong key"}})
            model.requests.append(body)
            calls = next(left, None)
            if calls is None:
                return self._answer(500, {"error": {"message": "nothing more to say"}})
            return self._answer(200, _completion(name, len(model.requests), calls))

        def _answer(self, status: int, document: dict[str, Any]) -> None:
            data = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    model = Model(f"http://127.0.0.1:{server.server_address[1]}/v1")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield model
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _completion(name: str, number: int, calls: list[Call]) -> dict[str, Any]:
    made = [
        {"id": f"call_{number}_{at}", "type": "function", "function": {"name": tool, "arguments": json.dumps(given)}}
        for at, (tool, given) in enumerate(calls)
    ]
    message = {"role": "assistant", "content": None, "tool_calls": made}
    return {
        "id": f"c{number}",
        "object": "chat.completion",
        "created": 1_790_000_000,
        "model": name,
        "choices": [{"index": 0, "finish_reason": "tool_calls", "message": message}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
    }

"""Send malformed HTTP requests over raw sockets to `python -m agents serve` and to the server of the container."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agents.server.auth import BODY_SECONDS, MAX_BYTES
from agents.server.http_server import HEAD_SECONDS
from agents.server.tokens import Tokens
from tests.evals.environment import EvalEnvironment
from tests.kit.ports import free_port

MIB = 1024 * 1024
CONTAINER_SERVER = """
import sys
from pathlib import Path
from agents.server import container_server
container_server.FILES = container_server.PROJECT = Path(sys.argv[1])
container_server.PORT = int(sys.argv[2])
container_server.main()
"""


@dataclass(frozen=True)
class Server:
    """The process and the port of a server, and a token that the server accepts."""

    process: subprocess.Popen[bytes]
    port: int
    token: str

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=60)

    def memory(self) -> int:
        """Return the resident memory of the process in bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) * 1024


@pytest.fixture(scope="module", params=["python -m agents serve", "agents/server/container_server.py"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("served")
    EvalEnvironment(folder)
    (folder / "Pulumi.yaml").write_text("name: freelancer-data-stack\nruntime: python\n")
    token = Tokens(folder / ".fds").create("ann", ["read", "propose"], 1, datetime.now(UTC))
    port = free_port()
    words = ["-m", "agents", "serve", "--stack", "prod", "--port", str(port)]
    if "container_server" in request.param:
        token = "secret-of-the-test"
        (folder / "agents_token").write_text(token)
        (folder / "stack.json").write_text(json.dumps({"stack": "prod", "config": {}}))
        words = ["-c", CONTAINER_SERVER, str(folder), str(port)]
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("FDS_", "HCLOUD"))}
    environment |= {"PYTHONPATH": str(Path(__file__).parents[3])}
    process = subprocess.Popen([sys.executable, *words], cwd=folder, env=environment)
    started, end = Server(process, port, token), time.monotonic() + 60
    while True:
        try:
            started.connect().close()
            break
        except OSError:
            assert time.monotonic() < end and process.poll() is None, "the server did not answer"
            time.sleep(0.1)
    yield started
    process.terminate()
    process.wait(20)


def _head(path: str, *lines: str, method: str = "POST", token: str = "") -> bytes:
    bearer = [f"Authorization: Bearer {token}"] if token else []
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: x", *bearer, *lines, "", ""]).encode()


def _status(connection: socket.socket) -> int:
    """Return the status of the response; 0 when the connection was closed without a response."""
    answer = b""
    with suppress(ConnectionResetError):
        while b"\r\n" not in answer and (chunk := connection.recv(65536)):
            answer += chunk
    return int(answer.split()[1]) if answer else 0


def _send_chunks(connection: socket.socket, size: int) -> int:
    """Send up to `size` bytes with chunked encoding, until the server stops reading; return how many were sent."""
    chunk, sent = b"100000\r\n" + b"x" * MIB + b"\r\n", 0
    connection.settimeout(5)
    with suppress(OSError):
        while sent < size:
            connection.sendall(chunk)
            sent += MIB
    return sent


PATHS = ("/v1/plan", "/v1/ask", "/v1/nowhere", "/health")
BOTH = ("Content-Length: 5", "Transfer-Encoding: chunked")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("lines", [BOTH, BOTH[1:]], ids=["both lengths", "chunked"])
def test_body_of_a_request_without_a_token_is_not_read(server: Server, path: str, lines: tuple[str, ...]) -> None:
    before = server.memory()
    with server.connect() as connection:
        connection.sendall(_head(path, *lines))
        assert _send_chunks(connection, 64 * MIB) < 16 * MIB
        assert _status(connection) in ((400,) if len(lines) == 2 else (401, 411))
    assert server.memory() - before < 16 * MIB


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("token", [True, False], ids=["with token", "without token"])
def test_request_with_content_length_and_chunked_encoding_is_refused_at_once(
    server: Server, path: str, token: bool
) -> None:
    with server.connect() as connection:
        connection.sendall(_head(path, *BOTH, token=server.token if token else "") + b"0\r\n\r\n")
        assert _status(connection) == 400


@pytest.mark.parametrize("path", ["/v1/plan", "/v1/nowhere"])
def test_too_large_body_is_refused_even_if_its_length_is_not_declared(server: Server, path: str) -> None:
    """A `GET` may have a body without a declared length, so the server must count the bytes that it receives."""
    before = server.memory()
    with server.connect() as connection:
        connection.sendall(_head(path, BOTH[1], method="GET", token=server.token))
        assert _send_chunks(connection, 64 * MIB) < 16 * MIB
        assert _status(connection) == 413
    assert server.memory() - before < 16 * MIB
    with server.connect() as connection:
        connection.sendall(_head(path, f"Content-Length: {MAX_BYTES + 1}", token=server.token))
        assert _status(connection) == 413


def test_connections_with_incomplete_requests_are_closed_within_the_time_limit(server: Server) -> None:
    """The incomplete request is the first or a later request of its connection."""
    whole = _head("/health", method="GET")
    half = _head("/v1/plan", "Content-Length: 5", token=server.token) + b"{"
    starts = {
        "nothing": b"",
        "half a head": _head("/v1/plan")[:-2],
        "half a head after a request": whole + _head("/health", method="GET")[:-2],
        "half a body": half,
        "half a body of /v1/ask": half.replace(b"/v1/plan", b"/v1/ask"),
        "half a body of nowhere": half.replace(b"/v1/plan", b"/nowhere"),
        "half a body without a token": _head("/v1/plan", "Content-Length: 5") + b"{",
        "half a body of /health": _head("/health", "Content-Length: 5") + b"{",
        "half a body after a request": whole + half,
    }
    opened = {name: server.connect() for name in starts}
    for name, sent in starts.items():
        opened[name].sendall(sent)
    end = time.monotonic() + max(HEAD_SECONDS, BODY_SECONDS) + 5
    left = dict(opened)
    while left and time.monotonic() < end:
        for name, connection in list(left.items()):
            connection.settimeout(0.05)
            with suppress(TimeoutError):
                if not _received(connection):
                    connection.close()
                    del left[name]
    for connection in left.values():
        connection.close()
    assert not list(left)


def test_connection_whose_request_head_arrives_byte_by_byte_is_closed_within_the_time_limit(server: Server) -> None:
    """The time limit for the first request starts when the connection is opened; received bytes do not extend it."""
    with server.connect() as connection:
        began = time.monotonic()
        with suppress(OSError):
            for byte in _head("/health", "X-Slow: " + "x" * 500):
                connection.sendall(bytes([byte]))
                time.sleep(0.1)
                if time.monotonic() - began > HEAD_SECONDS + 5:
                    break
        assert time.monotonic() - began < HEAD_SECONDS + 5


def test_valid_requests_on_one_connection_are_answered(server: Server) -> None:
    body = b'{"reason": "x", "workers": 2}'
    lines = ("Content-Type: application/json", f"Content-Length: {len(body)}")
    with server.connect() as connection:
        for _ in range(3):
            connection.sendall(_head("/v1/plan", *lines, token=server.token) + body)
            answer = b""
            while b"\r\n\r\n" not in answer:
                answer += connection.recv(65536)
            head, _, rest = answer.partition(b"\r\n\r\n")
            length = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
            while len(rest) < int(length.split()[1]):
                rest += connection.recv(65536)
            assert head.split()[1] == b"200", rest


def _received(connection: socket.socket) -> bytes:
    try:
        return connection.recv(65536)
    except ConnectionResetError:
        return b""

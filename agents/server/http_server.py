"""Run an application with uvicorn, and add a time limit for request heads, which uvicorn lacks."""

from __future__ import annotations

import asyncio
import socket

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from stack_runtime.errors import UnreachableError

HEAD_SECONDS = 10.0
"""Time limit for receiving a whole request head, in seconds."""
HEAD_BYTES = 16 * 1024
"""Maximum size of a request head, in bytes."""


class TimedProtocol(H11Protocol):
    """uvicorn's HTTP/1.1 protocol, which also closes a connection whose request head takes too long.

    Between two requests, uvicorn's own keep-alive timeout applies.
    """

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._start()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is h11.IDLE:
            self._start()
        else:
            self._stop()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        super().connection_lost(exc)

    def _start(self) -> None:
        """Start the timer of the request head; bytes that arrive do not restart it."""
        if self._timer is None and not self.transport.is_closing():
            self._timer = self.loop.call_later(HEAD_SECONDS, self._close_late)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _close_late(self) -> None:
        self._timer = None
        if self.conn.their_state is h11.IDLE and not self.transport.is_closing():
            self.transport.close()


def config(application: ASGIApp, host: str, port: int) -> uvicorn.Config:
    """Return uvicorn's configuration for serving `application`, without WebSockets."""
    return uvicorn.Config(
        application,
        host=host,
        port=port,
        log_level="warning",
        http=TimedProtocol,
        ws="none",
        h11_max_incomplete_event_size=HEAD_BYTES,
    )


def serve(application: ASGIApp, host: str, port: int) -> None:
    """Serve `application` on this address and port until the process is stopped.

    Raises:
        UnreachableError: the server cannot listen on this address and port.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:  # a port above 65535 raises OverflowError
        reason = getattr(error, "strerror", None) or str(error)
        raise UnreachableError(
            f"the server cannot listen on {host}, port {port}: {reason}",
            next_command="python -m agents serve with another --host or --port",
        ) from None
    uvicorn.Server(config(application, host, port)).run(sockets=[listening])

"""Run an application with uvicorn, and add a time limit for request heads, which uvicorn lacks."""

from __future__ import annotations

import asyncio

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 10.0
"""Time limit for receiving a whole request head."""
HEAD_BYTES = 16 * 1024
"""Maximum size of a request head."""


class TimedProtocol(H11Protocol):
    """uvicorn's HTTP/1.1 protocol that also closes connections without a complete request head in time.

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
    """Return the configuration of a server, without WebSockets."""
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
    """Serve until the process is stopped."""
    uvicorn.Server(config(application, host, port)).run()

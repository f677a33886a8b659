"""How both servers are run: uvicorn, with a time limit for the head of a request, which it does not have itself."""

from __future__ import annotations

import asyncio

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 10.0
"""In which the head of a request must have come, from its first byte to its last."""
HEAD_BYTES = 16 * 1024


class TimedProtocol(H11Protocol):
    """uvicorn's HTTP/1.1 protocol; it closes a connection whose request does not begin, or whose head is not finished.

    Between two requests uvicorn's own timeout of idle connections holds.
    """

    _clock: asyncio.TimerHandle | None = None

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
        """Give the head its time; what comes of it meanwhile does not prolong that."""
        if self._clock is None and not self.transport.is_closing():
            self._clock = self.loop.call_later(HEAD_SECONDS, self._late)

    def _stop(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None

    def _late(self) -> None:
        self._clock = None
        if self.conn.their_state is h11.IDLE and not self.transport.is_closing():
            self.transport.close()


def config(application: ASGIApp, host: str, port: int) -> uvicorn.Config:
    """The configuration of a server; there are no WebSockets."""
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
    """Serve until told to stop."""
    uvicorn.Server(config(application, host, port)).run()

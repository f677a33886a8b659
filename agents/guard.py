"""Check token, rate, size and time limits of each HTTP request before its body is read."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, Request
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from fastapi.security.utils import get_authorization_scheme_param
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agents.tokens import Bearer, Tokens
from agents.tokens import Scope as TokenScope
from agents.wire import Problem

MOST_BYTES = 64 * 1024
BODY_SECONDS = 10.0
"""Time limit for receiving a whole body."""
OPEN = frozenset({"/health", "/openapi.json", "/docs", "/docs/oauth2-redirect", "/redoc"})
"""Paths that need no token. All others need one, including paths that do not exist."""
_BEARER = HTTPBearer(auto_error=False)


class Denied(Exception):
    """An HTTP request that was denied."""

    def __init__(self, status: int, what: str, following: str = "") -> None:
        super().__init__(what)
        self.status = status
        self.problem = Problem(error=what, next=following, exit_code=2)


class Turnstile:
    """Counts requests of the last minute by who sends them."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._seen: dict[str, deque[float]] = {}

    def lets(self, who: str) -> bool:
        """Whether one more may come in."""
        now = time.monotonic()
        times = self._seen.setdefault(who, deque())
        while times and times[0] < now - 60:
            times.popleft()
        if len(times) >= self._most:
            return False
        times.append(now)
        if len(self._seen) > 10_000:
            self._seen = {name: kept for name, kept in self._seen.items() if kept and kept[-1] > now - 60}
        return True


class Guard:
    """Tokens and turnstile of one server.

    Args:
        per_minute: requests of one token a minute; without a valid token, of one address.
    """

    def __init__(self, tokens: Tokens, per_minute: int) -> None:
        self._tokens = tokens
        self._turnstile = Turnstile(per_minute)

    def check(self, authorization: str, address: str) -> Bearer:
        """Return the bearer whose token is in the header `authorization`.

        Raises:
            Denied: too many requests; or the token is missing, unknown or expired.
        """
        scheme, token = get_authorization_scheme_param(authorization)
        known = token and scheme.lower() == "bearer"
        found = self._tokens.find(token, datetime.now(UTC)) if known else None
        if not self._turnstile.lets(found.name if found else address):
            raise Denied(429, "too many requests", "try again in a minute")
        if found is None:
            raise Denied(401, "a valid bearer token is needed", "python -m agents token NAME SCOPE…")
        return found


class Door:
    """ASGI middleware: checks the token, then reads the body within its limits, then calls the application.

    A request that is denied ends its connection, so that nothing more of it is read.
    """

    def __init__(self, app: ASGIApp, guard: Guard) -> None:
        self._app, self._guard = app, guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            self._let_in(scope)
            body = await _body(receive)
        except Denied as error:
            answer = denied(Request(scope), error)
            answer.headers["Connection"] = "close"
            await answer(scope, receive, send)
        except ClientDisconnect:
            return
        else:
            await self._app(scope, _replayed(body, receive), send)

    def _let_in(self, scope: Scope) -> None:
        """Check the head of the request and store the token's bearer in `state.bearer`."""
        headers = Headers(scope=scope)
        if "content-length" in headers and "transfer-encoding" in headers:
            raise Denied(400, "a request must not have both Content-Length and Transfer-Encoding")
        if scope["path"] not in OPEN:
            client = scope.get("client")
            bearer = self._guard.check(headers.get("authorization", ""), client[0] if client else "")
            scope.setdefault("state", {})["bearer"] = bearer
        length = headers.get("content-length", "")
        if scope["method"] in ("POST", "PUT", "PATCH") and not (length.isascii() and length.isdigit()):
            raise Denied(411, "the length of the body is missing")
        if length.isdigit() and int(length[:12]) > MOST_BYTES:
            raise _too_large()


async def _body(receive: Receive) -> bytes:
    """Read a body and count the bytes received; the length in the head is not trusted."""
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect
                body += message.get("body", b"")
                if len(body) > MOST_BYTES:
                    raise _too_large()
                if not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError:
        raise Denied(408, f"the body did not arrive within {BODY_SECONDS:g} s", "send it at once") from None


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Return an ASGI `receive` that yields the body already read, then any further messages."""
    left: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return left.pop() if left else await receive()

    return again


def may(scope: TokenScope) -> Callable[..., Bearer]:
    """Return a FastAPI dependency that requires `scope` of the bearer that `Door` identified."""

    def check(request: Request, _: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]) -> Bearer:
        bearer: Bearer = request.state.bearer
        if scope not in bearer.scopes:
            raise Denied(403, f"the token lacks the scope {scope}", f"python -m agents token NAME {scope}")
        return bearer

    return check


def denied(_: Request, error: Exception) -> JSONResponse:
    """Return the response to a denied request."""
    assert isinstance(error, Denied)
    headers = {401: {"WWW-Authenticate": "Bearer"}, 429: {"Retry-After": "60"}}.get(error.status)
    return JSONResponse(error.problem.model_dump(), status_code=error.status, headers=headers)


def _too_large() -> Denied:
    return Denied(413, f"a body has at most {MOST_BYTES} bytes")


def problem(status: int, what: str) -> JSONResponse:
    """A failure in the product's own form."""
    return JSONResponse(Problem(error=what, exit_code=2).model_dump(), status_code=status)

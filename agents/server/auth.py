"""Authenticate HTTP requests before their bodies are read, and limit their rate, size and duration.

Requests to `PUBLIC_PATHS` need no token, and their rate is not limited.
"""

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

from agents.server.schemas import Problem
from agents.server.tokens import Bearer, Tokens
from agents.server.tokens import Scope as TokenScope

MAX_BYTES = 64 * 1024
"""Maximum size of a request body, in bytes."""
BODY_SECONDS = 10.0
"""Time limit for receiving a whole request body, in seconds."""
PUBLIC_PATHS = frozenset({"/health", "/openapi.json", "/docs", "/docs/oauth2-redirect", "/redoc"})
"""Paths that need no token. All other paths need a token, including paths that do not exist."""
_BEARER = HTTPBearer(auto_error=False)


class Denied(Exception):
    """An HTTP request that was denied."""

    def __init__(self, status: int, what: str, next_command: str = "") -> None:
        super().__init__(what)
        self.status = status
        self.problem = Problem(error=what, next=next_command, exit_code=2)


class RateLimiter:
    """Allow each client at most `limit` requests in any 60 seconds; denied requests are not counted."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._requests: dict[str, deque[float]] = {}

    def allow(self, client: str) -> bool:
        """Return whether `client` may send one more request now, and count it if so."""
        now = time.monotonic()
        times = self._requests.setdefault(client, deque())
        while times and times[0] < now - 60:
            times.popleft()
        if len(times) >= self._limit:
            return False
        times.append(now)
        if len(self._requests) > 10_000:
            self._requests = {name: kept for name, kept in self._requests.items() if kept and kept[-1] > now - 60}
        return True


class Authenticator:
    """Check the token and the rate of the requests to one HTTP server.

    Args:
        per_minute: maximum requests per minute of one bearer, or from one address without a valid token.
    """

    def __init__(self, tokens: Tokens, per_minute: int) -> None:
        self._tokens = tokens
        self._rate_limiter = RateLimiter(per_minute)

    def authenticate(self, authorization: str, address: str) -> Bearer:
        """Return the bearer whose token is in the header `authorization`.

        Raises:
            Denied: there were too many requests, or the token is missing, unknown or expired.
        """
        scheme, token = get_authorization_scheme_param(authorization)
        given = token and scheme.lower() == "bearer"
        bearer = self._tokens.find(token, datetime.now(UTC)) if given else None
        if not self._rate_limiter.allow(bearer.name if bearer else address):
            raise Denied(429, "too many requests", "try again in a minute")
        if bearer is None:
            raise Denied(401, "a valid bearer token is needed", "python -m agents token NAME SCOPE…")
        return bearer


class AuthMiddleware:
    """ASGI middleware: check the token, read the body within the limits of size and time, and call the application.

    If a check fails, the connection is closed, so that the rest of the request is not read.
    """

    def __init__(self, app: ASGIApp, authenticator: Authenticator) -> None:
        self._app, self._authenticator = app, authenticator

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            self._check_head(scope)
            body = await _body(receive)
        except Denied as error:
            response = denied_response(Request(scope), error)
            response.headers["Connection"] = "close"
            await response(scope, receive, send)
        except ClientDisconnect:
            return
        else:
            await self._app(scope, _replay(body, receive), send)

    def _check_head(self, scope: Scope) -> None:
        """Check the head of the request; store the token's bearer in `state.bearer`, unless the path is public."""
        headers = Headers(scope=scope)
        if "content-length" in headers and "transfer-encoding" in headers:
            raise Denied(400, "a request must not have both Content-Length and Transfer-Encoding")
        if scope["path"] not in PUBLIC_PATHS:
            client = scope.get("client")
            bearer = self._authenticator.authenticate(headers.get("authorization", ""), client[0] if client else "")
            scope.setdefault("state", {})["bearer"] = bearer
        length = headers.get("content-length", "")
        if scope["method"] in ("POST", "PUT", "PATCH") and not (length.isascii() and length.isdigit()):
            raise Denied(411, "the length of the body is missing")
        if length.isdigit() and int(length[:12]) > MAX_BYTES:
            raise _too_large()


async def _body(receive: Receive) -> bytes:
    """Read a body. Count the received bytes, because the length in the request head may be false."""
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect
                body += message.get("body", b"")
                if len(body) > MAX_BYTES:
                    raise _too_large()
                if not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError:
        raise Denied(408, f"the body did not arrive within {BODY_SECONDS:g} s", "send the body at once") from None


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return an ASGI `receive` that first returns `body`, which was already read, then the messages of `receive`."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def next_message() -> Message:
        return messages.pop() if messages else await receive()

    return next_message


def require_scope(scope: TokenScope) -> Callable[..., Bearer]:
    """Return a FastAPI dependency that denies a request unless its bearer, from `AuthMiddleware`, has `scope`."""

    def check(request: Request, _: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]) -> Bearer:
        bearer: Bearer = request.state.bearer
        if scope not in bearer.scopes:
            raise Denied(403, f"the token lacks the scope {scope}", f"python -m agents token NAME {scope}")
        return bearer

    return check


def denied_response(_: Request, error: Exception) -> JSONResponse:
    """Return the response to a denied request."""
    assert isinstance(error, Denied)
    headers = {401: {"WWW-Authenticate": "Bearer"}, 429: {"Retry-After": "60"}}.get(error.status)
    return JSONResponse(error.problem.model_dump(), status_code=error.status, headers=headers)


def _too_large() -> Denied:
    return Denied(413, f"a body must not be larger than {MAX_BYTES} bytes")

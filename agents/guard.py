"""Who may come in, how often, and with how much."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, Request, Response
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from agents.tokens import Bearer, Scope, Tokens
from agents.wire import Problem

MOST_BYTES = 64 * 1024
_BEARER = HTTPBearer(auto_error=False)


class Denied(Exception):
    """A request that does not get in."""

    def __init__(self, status: int, what: str, following: str) -> None:
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

    def check(self, token: str | None, address: str, scope: Scope) -> Bearer:
        """Whose token it is.

        Raises:
            Denied: too many requests; or the token is missing, unknown, expired, or lacks the scope.
        """
        found = self._tokens.find(token, datetime.now(UTC)) if token else None
        if not self._turnstile.lets(found.name if found else address):
            raise Denied(429, "too many requests", "try again in a minute")
        if found is None:
            raise Denied(401, "a valid bearer token is needed", "python -m agents token NAME SCOPE…")
        if scope not in found.scopes:
            raise Denied(403, f"the token lacks the scope {scope}", f"python -m agents token NAME {scope}")
        return found


def may(scope: Scope) -> Callable[..., Bearer]:
    """A dependency that lets in who has `scope`; the application keeps its `Guard` as `state.guard`."""

    def check(request: Request, given: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]) -> Bearer:
        guard: Guard = request.app.state.guard
        address = request.client.host if request.client else ""
        return guard.check(given.credentials if given else None, address, scope)

    return check


def denied(_: Request, error: Exception) -> JSONResponse:
    """The answer to who does not get in."""
    assert isinstance(error, Denied)
    headers = {401: {"WWW-Authenticate": "Bearer"}, 429: {"Retry-After": "60"}}.get(error.status)
    return JSONResponse(error.problem.model_dump(), status_code=error.status, headers=headers)


async def small(request: Request, follow: Callable[[Request], Awaitable[Response]]) -> Response:
    """A body says its length, and is short; this is looked at before anything reads it."""
    if request.method in ("POST", "PUT", "PATCH"):
        length = request.headers.get("content-length", "")
        if not (length.isascii() and length.isdigit()):
            return problem(411, "the length of the body is missing")
        if int(length[:12]) > MOST_BYTES:
            return problem(413, f"a body has at most {MOST_BYTES} bytes")
    return await follow(request)


def problem(status: int, what: str) -> JSONResponse:
    """A failure in the product's own form."""
    return JSONResponse(Problem(error=what, exit_code=2).model_dump(), status_code=status)

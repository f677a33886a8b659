"""The agents' server, asked over HTTP: it plans and tells. What may be done is up to the token that one shows it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from stack_runtime.errors import StackError, UnreachableError

SECONDS = 90
DEPLOYMENT_SECONDS = 3600
_MOST_BYTES = 4_000_000


@dataclass(frozen=True)
class Office:
    """The server at `FDS_AGENTS_URL`, by default that of the stack; `token` is the stack's own, or a person's."""

    token: str = field(repr=False)

    @classmethod
    def of(cls, token: str) -> Office:
        """With the token of a person, or else with that of the stack, which may look and propose.

        Raises:
            UnreachableError: there is neither.
        """
        file = Path(os.environ.get("FDS_AGENTS_TOKEN_FILE", "/run/fds/agents_token"))
        try:
            return cls(token.strip() or file.read_text(encoding="utf-8").strip())
        except OSError:
            raise UnreachableError("there is no token for the agents' server", next_command="enter yours") from None

    def status(self) -> dict[str, Any]:
        """`{stack, plan, history}`."""
        return self._send("/v1/status")

    def plan(self, request: dict[str, Any]) -> dict[str, Any]:
        """The decision on a change of size; nothing is made."""
        return self._send("/v1/plan", request)

    def ask(self, text: str) -> dict[str, Any]:
        """The same in words."""
        return self._send("/v1/ask", {"text": text})

    def approve_and_apply(self, proposal: str, digest: str) -> dict[str, Any]:
        """Approve what has this digest and let it be done; the token must allow both."""
        token = self._send("/v1/approve", {"proposal": proposal, "digest": digest})["token"]
        return self._send("/v1/apply", {"proposal": proposal, "token": token}, DEPLOYMENT_SECONDS)

    def _send(self, path: str, body: dict[str, Any] | None = None, seconds: float = SECONDS) -> dict[str, Any]:
        """One request; raises the server's own refusal as an error."""
        url = os.environ.get("FDS_AGENTS_URL", "http://agents:8100").rstrip("/")
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        try:
            with urlopen(Request(url + path, data, headers), timeout=seconds) as answer:  # noqa: S310 - ours
                return dict(json.loads(answer.read(_MOST_BYTES)))
        except HTTPError as refusal:
            raise _refusal(refusal) from None
        except (URLError, OSError, ValueError):
            raise UnreachableError(
                "the agents' server does not answer", where=url, next_command="fds scale profiles=lean,agents"
            ) from None


def _refusal(refusal: HTTPError) -> StackError:
    if refusal.code == 404:
        return UnreachableError("this server plans and cannot deploy", next_command="fds ask or fds scale")
    try:
        said = json.loads(refusal.read(_MOST_BYTES))
        return StackError(str(said["error"]), where=str(said["where"]), next_command=str(said["next"]))
    except (ValueError, KeyError, TypeError):
        return UnreachableError(f"the agents' server failed with {refusal.code}", next_command="fds logs agents")

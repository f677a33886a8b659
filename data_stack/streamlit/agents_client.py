"""Call the agents' HTTP server. The scopes of the token decide what the server allows."""

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
_MAX_BYTES = 4_000_000


@dataclass(frozen=True)
class AgentsClient:
    """A client of the agents' HTTP server at `FDS_AGENTS_URL`, by default the HTTP server of the stack.

    Args:
        token: bearer token of the stack or of a person.
    """

    token: str = field(repr=False)

    @classmethod
    def with_token(cls, token: str) -> AgentsClient:
        """Return a client with a person's token, or with the stack's token, which may read and propose.

        Args:
            token: a person's token; empty to use the stack's token.
        Raises:
            UnreachableError: `token` is empty, and the stack's token cannot be read.
        """
        file = Path(os.environ.get("FDS_AGENTS_TOKEN_FILE", "/run/fds/agents_token"))
        try:
            return cls(token.strip() or file.read_text(encoding="utf-8").strip())
        except OSError:
            raise UnreachableError(
                "there is no token for the agents' server", next_command="enter your own token in the sidebar"
            ) from None

    def status(self) -> dict[str, Any]:
        """Return `{stack, plan, history, request}`; `request` is the JSON schema of the argument of `plan()`."""
        return self._send("/v1/status")

    def plan(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return the proposal for a requested change, with the decision on it; nothing is applied."""
        return self._send("/v1/plan", request)

    def ask(self, text: str) -> dict[str, Any]:
        """Return the agent's response to a request in words."""
        return self._send("/v1/ask", {"text": text})

    def approve_and_apply(self, proposal: str, digest: str) -> dict[str, Any]:
        """Approve the proposal or job with this digest and apply it; needs the scopes `approve` and `propose`."""
        token = self._send("/v1/approve", {"proposal": proposal, "digest": digest})["token"]
        return self._send("/v1/apply", {"proposal": proposal, "token": token}, DEPLOYMENT_SECONDS)

    def _send(self, path: str, body: dict[str, Any] | None = None, seconds: float = SECONDS) -> dict[str, Any]:
        """Send one request and return the JSON of the response.

        Raises:
            StackError: the server does not answer, or it answers with an error.
        """
        url = os.environ.get("FDS_AGENTS_URL", "http://agents:8100").rstrip("/")
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        try:
            with urlopen(Request(url + path, data, headers), timeout=seconds) as response:  # noqa: S310 - own setting
                return dict(json.loads(response.read(_MAX_BYTES)))
        except HTTPError as error:
            raise _to_stack_error(error) from None
        except (URLError, OSError, ValueError):
            raise UnreachableError(
                "the agents' server does not answer", where=url, next_command="fds scale profiles=lean,agents"
            ) from None


def _to_stack_error(error: HTTPError) -> StackError:
    if error.code == 404:
        return UnreachableError("this server can plan, but not deploy", next_command="fds ask or fds scale")
    try:
        body = json.loads(error.read(_MAX_BYTES))
        return StackError.from_json(body)
    except (ValueError, KeyError, TypeError):
        return UnreachableError(f"the agents' server failed with {error.code}", next_command="fds logs agents")

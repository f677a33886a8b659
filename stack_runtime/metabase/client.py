"""Send requests to Metabase's API and check the responses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from stack_runtime.errors import UnreachableError

TIMEOUT_S = 30.0
ANSWER_BYTES = 32 << 20
"""Maximum size of a response."""

Item = Mapping[str, Any]


class MetabaseError(UnreachableError):
    """Metabase does not answer, refuses a request, or sends a response of an unexpected form.

    Args:
        status: the status of an HTTP error; 0 if the failure is not an HTTP error.
    """

    def __init__(self, what: str, request: str, status: int = 0) -> None:
        super().__init__(what, where=request, next_command="fds logs metabase")
        self.status = status


class Metabase:
    """Client of Metabase's API; log in before any request that needs an account.

    Args:
        url: address of Metabase, such as `http://metabase:3000`.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._session = ""

    def properties(self) -> Item:
        """Return the public properties; `has-user-setup` is true if Metabase has an account.

        Raises:
            MetabaseError: the request failed, for example because Metabase is still starting.
        """
        return self.get_object("/api/session/properties")

    def set_up(self, body: Item) -> None:
        """Create the first account and log in with it."""
        self._session = self._text(self.request("POST", "/api/setup", body), "id", "POST /api/setup")

    def log_in(self, email: str, password: str) -> None:
        """Log in.

        Raises:
            MetabaseError: the request failed; the status is 401 if the account or the password is wrong.
        """
        answer = self.request("POST", "/api/session", {"username": email, "password": password})
        self._session = self._text(answer, "id", "POST /api/session")

    def get_object(self, path: str) -> Item:
        """Return the JSON object at `path`."""
        answer = self.request("GET", path)
        if not isinstance(answer, dict):
            raise MetabaseError("Metabase's answer is not an object", f"GET {path}")
        return answer

    def get_list(self, path: str) -> list[Item]:
        """Return the objects listed at `path`; the response is this list, or an object that has the list as `data`."""
        answer = self.request("GET", path)
        found = answer.get("data") if isinstance(answer, dict) else answer
        if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
            raise MetabaseError("Metabase's answer is not a list of objects", f"GET {path}")
        return found

    def create(self, path: str, body: Item) -> int:
        """Create an object with a POST request to `path` and return the id of the object."""
        return id_of(self.request("POST", path, body), f"POST {path}")

    def request(self, method: str, path: str, body: Item | None = None) -> Any:
        """Send one request and return the JSON of the response; None if the response is empty.

        Raises:
            MetabaseError: Metabase does not respond in time, the status is 400 or above, or the body of the response is
                too large or not JSON.
        """
        headers = {"Content-Type": "application/json"}
        if self._session:
            headers["X-Metabase-Session"] = self._session
        data = None if body is None else json.dumps(body).encode()
        request = Request(self._url + path, data, headers, method=method)  # noqa: S310, the URL is no user input
        what = f"{method} {path}"
        try:
            with urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
                text = answer.read(ANSWER_BYTES + 1)
        except HTTPError as error:
            with error:
                raise MetabaseError(f"Metabase refuses: {_reason(error)}", what, error.code) from None
        except (OSError, HTTPException) as error:
            reason = error.reason if isinstance(error, URLError) else error
            raise MetabaseError(f"Metabase does not answer: {reason}", what) from None
        return _parsed(text, what)

    @staticmethod
    def _text(answer: Any, key: str, what: str) -> str:
        found = answer.get(key) if isinstance(answer, dict) else None
        if not isinstance(found, str) or not found.isprintable() or not found:
            raise MetabaseError(f"Metabase's answer has no {key}", what)
        return found


def id_of(item: Any, request: str) -> int:
    """Return the id of `item`, an object from the response to `request`.

    Raises:
        MetabaseError: the object has no valid id.
    """
    found = item.get("id") if isinstance(item, dict) else None
    if not isinstance(found, int) or isinstance(found, bool) or found < 1:
        raise MetabaseError("Metabase's answer has no id", request)
    return found


def _parsed(text: bytes, what: str) -> Any:
    if len(text) > ANSWER_BYTES:
        raise MetabaseError(f"Metabase's answer has more than {ANSWER_BYTES >> 20} MiB", what)
    if not text.strip():
        return None
    try:
        return json.loads(text)
    except ValueError:
        raise MetabaseError("Metabase's answer is not JSON", what) from None


def _reason(error: HTTPError) -> str:
    """Return the status and the start of the text of an error response, without line breaks and control characters."""
    try:
        text = error.read(4096).decode(errors="replace")
    except OSError:
        text = ""
    words = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return f"{error.code} {words[:300]}".strip()

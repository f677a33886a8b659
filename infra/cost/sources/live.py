"""Read prices and an account's resources from the Hetzner Cloud API: all pages of a list, within a deadline.

A missing response raises `UnreachableError`, and an invalid response raises `UnknownError`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from functools import partial
from io import BytesIO
from typing import Any, TypeVar

from hcloud import HCloudException
from requests import RequestException, Response

from infra.cost.planning import prices
from infra.cost.planning.json_reader import MOST_BYTES, JsonReader, decode
from infra.hosts.hetzner import api, token
from stack_runtime.deadline import within
from stack_runtime.paths import PROJECT

SECONDS = 45.0
"""Time limit in seconds for one call of `Account.prices` or `Account.entries`: all pages, and the retries after a
time-out, a broken connection, or the status 429 or 503."""
_READ_SECONDS = (5.0, 10.0)
_ADVICE = "try again, or plan with --prices DIR"
_PAGE = 50
_MOST_PAGES = 200

Result = TypeVar("Result")


class Account:
    """The Hetzner project that a token gives access to; this class only reads it."""

    def __init__(self, api_token: str, *, seconds: float = SECONDS) -> None:
        self._endpoint = api.endpoint()
        self._client = api.connect(api_token, seconds=_READ_SECONDS)
        self._seconds = seconds

    @classmethod
    def of(cls, stack: str) -> Account:
        """Return the account of a stack.

        Raises:
            UnreachableError: there is no token for the stack.
        """
        return cls(token.require(stack))

    def prices(self, today: date) -> prices.PriceList:
        """Return today's price list of this account, in the account's currency and with the account's VAT."""

        def ask() -> prices.PriceList:
            pricing, listed = self._request("/pricing"), self._pages("server_types")
            types = [*listed, *self._withdrawn(listed)]
            return prices.read(pricing, types, day=today, source=self._endpoint)

        return self._within(ask)

    def _withdrawn(self, listed: list[Any]) -> list[Any]:
        """Return the types of this project's servers that the list of types lacks; no new server can be of them.

        An existing server keeps its type, whose price the API still states with the server.
        """
        known = {self._answer(kind, "server_types").get("name").text() for kind in listed}
        found = {}
        for server in self._pages("servers", {"label_selector": f"project={PROJECT}"}):
            kind = self._answer(server, "servers").get("server_type").checked_object()
            name = kind.get("name").text()
            if name not in known and kind.value.get("prices"):
                found[name] = {**kind.value, "locations": []}
        return [*found.values()]

    def entries(self, kinds: Mapping[str, Mapping[str, str]]) -> dict[str, list[JsonReader]]:
        """Return all entries of each kind (`servers`, `volumes`…), queried with the given parameters."""

        def ask() -> dict[str, list[JsonReader]]:
            return {
                kind: [self._answer(entry, kind) for entry in self._pages(kind, parameters)]
                for kind, parameters in kinds.items()
            }

        return self._within(ask)

    def _answer(self, value: Any, path: str) -> JsonReader:
        return JsonReader(value, path, self._endpoint)

    def _request(self, path: str, parameters: Mapping[str, str | int] | None = None) -> Any:
        hooks = {"response": partial(self._strictly, path)}
        return api.retry_when_busy(
            lambda: self._client.request("GET", path, params=dict(parameters or {}), hooks=hooks), reads=True
        )

    def _strictly(self, path: str, response: Response, **_: Any) -> Response:
        """Return a copy of the response, because its body can be read only once.

        Refuse a successful response that is too large or not strict JSON, which the API client would accept.
        """
        body = bytearray()
        for chunk in response.iter_content(65_536):
            body += chunk
            if len(body) > MOST_BYTES:
                response.close()
                break
        if response.status_code == 200:
            decode(bytes(body), f"the answer to {path}", self._endpoint)
        read = Response()
        read.status_code, read.reason, read.headers = response.status_code, response.reason, response.headers
        read.url, read.request, read.raw = response.url, response.request, BytesIO(bytes(body))
        return read

    def _pages(self, kind: str, parameters: Mapping[str, str] | None = None) -> list[Any]:
        """Return the entries of all pages; reject pages that repeat, are missing, or do not match the stated total."""
        found: list[Any] = []
        seen: set[int] = set()
        number = 1
        for _ in range(_MOST_PAGES):
            asked: dict[str, str | int] = {**(parameters or {}), "page": number, "per_page": _PAGE}
            answer = self._answer(self._request(f"/{kind}", asked), f"{kind} page {number}")
            for entry in answer.get(kind).items():
                key = entry.get("id").whole(least=0)
                if key in seen:
                    raise entry.fail("was on an earlier page")
                seen.add(key)
                found.append(entry.value)
            following = _next_page(answer, number, len(found))
            if following is None:
                return found
            number = following
        raise self._answer(None, kind).fail(f"has more than {_MOST_PAGES} pages")

    def _within(self, ask: Callable[[], Result]) -> Result:
        """Call `ask` with a deadline, and convert a failed request to a StackError."""
        try:
            return within(self._seconds, ask)
        except BaseException as error:
            raise self._to_stack_error(error) from None

    def _to_stack_error(self, error: BaseException) -> BaseException:
        """Return the StackError for a failed request; any other error is returned unchanged."""
        if isinstance(error, TimeoutError):
            return api.unreachable(f"the API did not finish its answer within {self._seconds:g} s", _ADVICE)
        if isinstance(error, (HCloudException, RequestException, *api.MALFORMED)):
            return api.failure(error, _ADVICE)
        return error


def location_of(entry: JsonReader) -> str:
    """Return the location of a resource; the API has two formats for it."""
    if entry.has("location"):
        return entry.get("location").get("name").text()
    return entry.get("datacenter").get("location").get("name").text()


def _next_page(answer: JsonReader, number: int, so_far: int) -> int | None:
    pagination = answer.get("meta").get("pagination")
    if pagination.get("page").whole(least=1) != number:
        raise pagination.get("page").fail(f"is not {number}, the requested page")
    if pagination.has("next_page"):
        following = pagination.get("next_page").whole(least=1)
        if following != number + 1:
            raise pagination.get("next_page").fail(f"does not follow {number}")
        return following
    if pagination.has("total_entries") and pagination.get("total_entries").whole(least=0) != so_far:
        raise pagination.get("total_entries").fail(f"is not {so_far}, the number of entries")
    return None

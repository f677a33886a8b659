"""Provide a client of the Hetzner Cloud API, and turn its failures into errors that name the next command."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from typing import Any, TypeVar

from hcloud import APIException, Client, HCloudException
from hcloud.actions import ActionFailedException, ActionTimeoutException
from requests import ConnectionError as BrokenConnectionError
from requests import RequestException, Timeout
from requests.exceptions import ChunkedEncodingError

from infra.hosts.hetzner import token
from stack_runtime.deadline import within
from stack_runtime.errors import StackError, UnknownError, UnreachableError, UsageError
from stack_runtime.paths import PROJECT
from stack_runtime.text import shortened

ENDPOINT = "https://api.hetzner.cloud/v1"
SECONDS = (5.0, 30.0)
"""Time limits in seconds: to connect, and for each read."""
READ_S, WRITE_S = 300.0, 900.0
"""Time limits in seconds for a whole call of `request` that only reads, and for one that changes something: with all
pages, retries and waits for actions. The limits in `SECONDS` never expire if the API keeps sending single bytes."""
PAUSES_S = (1.0, 2.0, 4.0, 8.0)
"""Seconds to wait before each retry."""
CONNECTION_RETRIES = 2
"""How often a request that only reads is retried after its connection broke."""
UNAVAILABLE = (503, "unavailable", "service_unavailable", "locked")
"""Error codes of temporary refusals; a request that was refused with such a code had no effect."""
_TOKEN = r"[A-Za-z0-9]{64}"  # noqa: S105, this is the form of a token
_PAGE = 50
_MOST_PAGES = 200
MALFORMED = (KeyError, TypeError, AttributeError, ValueError, RecursionError)
"""Exceptions that the client library raises for unexpected JSON, because it does not check responses."""

Result = TypeVar("Result")


def endpoint() -> str:
    """Return the address of the API: `HCLOUD_ENDPOINT`, which Pulumi's provider reads too, else the public address."""
    return (os.environ.get("HCLOUD_ENDPOINT") or ENDPOINT).rstrip("/")


def connect(api_token: str, *, seconds: tuple[float, float] = SECONDS) -> Client:
    """Return a client that uses this token. No request is sent yet.

    Raises:
        UnreachableError: the token has characters that no header of a request may have.
    """
    if not re.fullmatch("[!-~]+", api_token):
        raise unreachable(
            "the token in HCLOUD_TOKEN or the stack file has blanks or other characters that no token has",
            "copy the token again, then fds setup",
        )
    return Client(api_token, api_endpoint=endpoint(), application_name=PROJECT, timeout=seconds)


def request(stack: str, question: Callable[[Client], Result], *, reads: bool = False) -> Result:
    """Call `question` with a client that has the stack's token; if the API is unavailable, retry a few times.

    Args:
        reads: whether `question` changes nothing in the account, so that it is retried after a broken connection too.

    Returns: the result of `question`.

    Raises:
        UnreachableError: there is no token, or the API refuses the token or the request, or does not answer.
        UnknownError: the answer is not what the API documents.
    """
    api = connect(token.require(stack))
    try:
        return _within(READ_S if reads else WRITE_S, lambda: retry_when_busy(lambda: question(api), reads=reads))
    except (HCloudException, OSError, *MALFORMED) as error:
        raise failure(error) from error


def _within(seconds: float, ask: Callable[[], Result]) -> Result:
    """Call `ask` with a deadline.

    Raises:
        UnreachableError: `ask` took longer than `seconds`.
    """
    try:
        return within(seconds, ask)
    except TimeoutError:
        raise unreachable(f"the API did not finish its answer within {seconds:g} s", "try again") from None


def all_pages(get_list: Callable[..., Any], **query: Any) -> list[Any]:
    """Return the entries of all pages of one list.

    The client library's own function is not used, because it follows every `next_page`, even if the pages never end.

    Args:
        get_list: the client's function for one page, such as `api.servers.get_list`.

    Raises:
        UnknownError: the page numbers are not consecutive, or there is no last page.
    """
    found: list[Any] = []
    for page in range(1, _MOST_PAGES + 1):
        entries, meta = get_list(**query, page=page, per_page=_PAGE)
        found += entries
        following = meta.pagination.next_page
        if following is None:
            return found
        if following != page + 1:
            break
    raise _malformed("try again")


def retry_when_busy(ask: Callable[[], Result], *, reads: bool = False) -> Result:
    """Call `ask`, and retry with growing pauses while the API refuses the request with a code in `UNAVAILABLE`.

    If a rate limit or a time limit is reached, the client library itself waits and retries.

    Args:
        reads: whether `ask` changes nothing. Then it is also retried `CONNECTION_RETRIES` times after a connection
            broke. A request that changes something may have taken effect although its connection broke.

    Raises:
        APIException: another refusal, or the refusal of the last attempt.
        RequestException: the API did not answer, or the connection broke.
    """
    for retries, pause in enumerate(PAUSES_S):
        try:
            return ask()
        except APIException as error:
            if error.code not in UNAVAILABLE:
                raise
        except (BrokenConnectionError, ChunkedEncodingError) as error:
            if not reads or isinstance(error, Timeout) or retries >= CONNECTION_RETRIES:
                raise
        time.sleep(pause)
    return ask()


def verify(candidate: str) -> None:
    """Check with the API that this token may read and write.

    Raises:
        UsageError: the text does not have the form of a token, so nothing was sent.
        UnreachableError: the token is invalid or read-only, or the API does not answer.
    """
    if not re.fullmatch(_TOKEN, candidate):
        raise UsageError(
            "a Hetzner token has 64 letters and digits, but this text does not", next_command="copy it again"
        )
    api = connect(candidate)
    try:
        _within(READ_S, lambda: api.request("GET", "/locations"))
        # This creates nothing: a token that may write gets `invalid_input`.
        _within(READ_S, lambda: api.request("POST", "/ssh_keys", json={}))
    except (HCloudException, OSError, *MALFORMED) as error:
        if not (isinstance(error, APIException) and error.code in ("invalid_input", "json_error", 422)):
            raise failure(error) from None


def failure(error: Exception, advice: str = "try again") -> StackError:
    """Return the error for a request that the API refused, did not answer, or answered in an unexpected form.

    Args:
        advice: the next command, for failures that do not imply one.
    """
    if isinstance(error, APIException):
        return _refusal(error, advice)
    if isinstance(error, MALFORMED) and not isinstance(error, OSError):
        return _malformed(advice)
    if isinstance(error, (ActionFailedException, ActionTimeoutException)):
        ends = "failed in" if isinstance(error, ActionFailedException) else "did not end in"
        what = f"{error.action.command} {ends} the account: {shortened(error)}"
        return unreachable(what, "look at it in the Hetzner console, then the same command again")
    if isinstance(error, HCloudException):
        return unreachable(f"the API still fails after several attempts: {shortened(error)}", advice)
    name = type(error).__name__ if isinstance(error, RequestException) else shortened(error)
    return unreachable(f"the API does not answer ({name})", advice)


def _malformed(advice: str) -> UnknownError:
    return UnknownError("the API's answer cannot be read", where=endpoint(), next_command=advice)


def unreachable(what: str, advice: str) -> UnreachableError:
    """Return the error for an API that cannot be used: what happened, the API's address, and the next command."""
    return UnreachableError(what, where=endpoint(), next_command=advice)


def _refusal(error: APIException, advice: str) -> StackError:
    code = error.code
    if code == "token_readonly":
        return unreachable(
            "the Hetzner token is read-only",
            "create a token that may read and write, export HCLOUD_TOKEN=TOKEN, then fds setup",
        )
    if code in ("unauthorized", "forbidden", 401, 403):
        return unreachable(
            "the API refuses the token in HCLOUD_TOKEN or the stack file",
            "set HCLOUD_TOKEN to a token of this project, then fds setup",
        )
    if code in ("rate_limit_exceeded", 429):
        return unreachable("the API received too many requests", "wait some minutes")
    if isinstance(code, int) and code < 400:
        return UnknownError("the API's answer is not JSON", where=endpoint(), next_command=advice)
    return unreachable(f"the API answers {shortened(f'{code}: {error.message}')}", advice)

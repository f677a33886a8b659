"""Make a tool from a function: limit its time and the size of its result, and return failures as results."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, ParamSpec

from typing_extensions import TypedDict

from stack_runtime.errors import StackError
from stack_runtime.text import shortened

MAX_ROWS = 200
MAX_CHARACTERS = 20_000
MAX_ERROR = 600
SECONDS = 20.0

Parameters = ParamSpec("Parameters")


class ToolResult(TypedDict):
    """The result of a tool. `data` is JSON; `metadata` has the duration in seconds, and whether `data` was cut off."""

    success: bool
    data: Any
    error: str | None
    metadata: dict[str, Any]


def tool(
    function: Callable[Parameters, Any], seconds: float | None = None, *, finishes: bool = False
) -> Callable[Parameters, Awaitable[ToolResult]]:
    """Return an asynchronous tool that calls `function` and returns its result, converted to JSON, as a `ToolResult`.

    Args:
        seconds: time limit; by default `SECONDS`.
        finishes: whether the process, before it ends, waits for calls that exceeded the time limit but still run.
    """
    limit = SECONDS if seconds is None else seconds

    @functools.wraps(function)
    async def answer(*args: Parameters.args, **kwargs: Parameters.kwargs) -> ToolResult:
        began = time.monotonic()
        try:
            work = _run_in_thread(lambda: function(*args, **kwargs), daemon=not finishes)
            data, cut = capped(await asyncio.wait_for(work, limit))
            error = None
        except TimeoutError:
            data, cut, error = None, False, f"no answer within {limit:g} s"
        except StackError as failure:
            data, cut, error = None, False, shortened(failure, MAX_ERROR)
        except Exception as failure:
            data, cut, error = None, False, shortened(f"{type(failure).__name__}: {failure}", MAX_ERROR)
        metadata = {"seconds": round(time.monotonic() - began, 3), "cut_off": cut}
        return ToolResult(success=error is None, data=data, error=error, metadata=metadata)

    answer.__annotations__["return"] = ToolResult
    return answer


def _run_in_thread(function: Callable[[], Any], *, daemon: bool) -> asyncio.Future[Any]:
    """Run `function` in a new thread.

    The event loop's thread pool is not used, because `asyncio.run` waits at its end for all threads of the pool.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Any] = loop.create_future()

    def settle(result: Any, error: Exception | None) -> None:
        if not future.done():
            future.set_result(result) if error is None else future.set_exception(error)

    def run() -> None:
        try:
            result, error = function(), None
        except Exception as failure:
            result, error = None, failure
        with contextlib.suppress(RuntimeError):  # raised if the loop was closed
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=run, daemon=daemon).start()
    return future


def capped(data: Any) -> tuple[Any, bool]:
    """Convert `data` to JSON types and cut it to the size limits; also return whether something was cut off."""
    plain = json.loads(json.dumps(data, default=str))
    if isinstance(plain, list) and len(plain) > MAX_ROWS:
        plain, cut = plain[:MAX_ROWS], True
    else:
        cut = False
    while isinstance(plain, list) and len(plain) > 1 and len(json.dumps(plain)) > MAX_CHARACTERS:
        plain, cut = plain[: len(plain) // 2], True
    text = json.dumps(plain, ensure_ascii=False)
    return (plain, cut) if len(text) <= MAX_CHARACTERS else (text[:MAX_CHARACTERS], True)


def last_lines(lines: Sequence[str], characters: int = MAX_CHARACTERS) -> list[str]:
    """Return the last lines of a log that fit into `characters` characters of JSON.

    If even the last line does not fit, return its beginning and its end: an error's message can be at either of them.
    """
    kept: list[str] = []
    left = characters - len("[]")
    for line in reversed(lines):
        left -= len(json.dumps(line)) + len(", ")
        if left < 0:
            break
        kept.append(line)
    half = max(1, characters // len(r"\u0000") // 2 - 1)  # in JSON, a character can take six
    return kept[::-1] or [f"{line[:half]} … {line[-half:]}" for line in lines[-1:]]

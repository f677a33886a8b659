"""The answer of a tool: bounded in time and size, and never an exception."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any, ParamSpec

from typing_extensions import TypedDict

from stack_runtime.errors import StackError

MOST_ROWS = 200
MOST_CHARACTERS = 20_000
MOST_ERROR = 600
SECONDS = 20.0

Parameters = ParamSpec("Parameters")


class ToolResult(TypedDict):
    """`data` is JSON; `metadata` holds the seconds it took and whether something was cut off."""

    success: bool
    data: Any
    error: str | None
    metadata: dict[str, Any]


def tool(
    function: Callable[Parameters, Any], seconds: float | None = None, *, finishes: bool = False
) -> Callable[Parameters, Awaitable[ToolResult]]:
    """Make a tool of a function that returns JSON: with a time limit, caps, and failures as answers.

    Args:
        finishes: the work goes on to its end when nobody waits for it any more; else it ends with the process.
    """
    most = SECONDS if seconds is None else seconds

    @functools.wraps(function)
    async def answer(*args: Parameters.args, **kwargs: Parameters.kwargs) -> ToolResult:
        began = time.monotonic()
        try:
            work = _in_a_thread(lambda: function(*args, **kwargs), daemon=not finishes)
            data, cut = capped(await asyncio.wait_for(work, most))
            error = None
        except TimeoutError:
            data, cut, error = None, False, f"no answer within {most:g} s"
        except StackError as failure:
            data, cut, error = None, False, _short(str(failure))
        except Exception as failure:
            data, cut, error = None, False, _short(f"{type(failure).__name__}: {failure}")
        metadata = {"seconds": round(time.monotonic() - began, 3), "cut_off": cut}
        return ToolResult(success=error is None, data=data, error=error, metadata=metadata)

    answer.__annotations__["return"] = ToolResult
    return answer


def _in_a_thread(function: Callable[[], Any], *, daemon: bool) -> asyncio.Future[Any]:
    """What `function` returns or raises. Who stops waiting leaves at once, as no pool of threads would let them."""
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
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=run, daemon=daemon).start()
    return future


def capped(data: Any) -> tuple[Any, bool]:
    """`data` as plain JSON within the caps, and whether something is missing."""
    plain = json.loads(json.dumps(data, default=str))
    if isinstance(plain, list) and len(plain) > MOST_ROWS:
        plain, cut = plain[:MOST_ROWS], True
    else:
        cut = False
    while isinstance(plain, list) and plain and len(json.dumps(plain)) > MOST_CHARACTERS:
        plain, cut = plain[: len(plain) // 2], True
    text = json.dumps(plain, ensure_ascii=False)
    return (plain, cut) if len(text) <= MOST_CHARACTERS else (text[:MOST_CHARACTERS], True)


def _short(text: str) -> str:
    """An error on one line: what it quotes may come from anywhere."""
    return "".join(c for c in " ".join(text.split()) if c.isprintable())[:MOST_ERROR]

"""Inject faults into a given number of matching requests.

| kind | what happens |
| --- | --- |
| `412`, `423`, `429`, `500`, `502`, `503`, `504` | the request is refused with that status and has no effect |
| a code of `errors.py`, such as `token_readonly` | the request is refused with that code and has no effect |
| such a status or code with `_after`, as in `503_after` | the request takes effect, but the response is the refusal |
| `cut` | the connection is closed before the request has an effect |
| `cut_after` | the request takes effect, then the connection is closed without a response |
| `slow` | the request takes effect `seconds` late, so the response is late too |
| `slow_action` | the actions that the request starts run `seconds` longer |
| `action_error` | the actions that the request starts end in error |
| `pause_before`, `pause_after` | the request waits before or after taking effect, until it is released |
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass

from .errors import STATUS, ApiError

REFUSALS = {code: (code, "injected refusal") for code in STATUS} | {
    "412": ("resource_unavailable", "the resource is currently unavailable"),
    "423": ("locked", "the resource is locked"),
    "429": ("rate_limit_exceeded", "limit of requests reached"),
    "500": ("server_error", "an internal error"),
    "502": ("bad_gateway", "the backend did not answer"),
    "503": ("unavailable", "the service is currently unavailable"),
    "504": ("timeout", "the backend did not answer in time"),
}
AFTER = "_after"
KINDS = (
    *REFUSALS,
    *(f"{kind}{AFTER}" for kind in REFUSALS),
    *("cut", "cut_after", "slow", "slow_action", "action_error", "pause_before", "pause_after"),
)
READS = ("GET", "HEAD")


@dataclass
class Fault:
    """A failure or delay, and which requests it affects.

    Args:
        method: an HTTP method, `WRITE` for all methods but GET and HEAD, or `*` for all methods.
        path: a regular expression, searched in the path without `/v1`.
        times: number of requests that the fault affects.
        kind: one of `KINDS`.
        seconds: delay of `slow` and `slow_action`, in seconds.
        skip: number of matching requests that are served normally before the first affected request.
    """

    method: str
    path: str
    times: int
    kind: str
    seconds: float = 0.0
    skip: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"unknown fault '{self.kind}', there are {', '.join(KINDS)}")
        re.compile(self.path)

    def matches(self, method: str, path: str) -> bool:
        right = self.method in ("*", method) or (self.method == "WRITE" and method not in READS)
        return right and re.search(self.path, path) is not None


class Cut(Exception):
    """Raised to close the connection without a response."""


class Faults:
    """The pending faults, and the paused requests."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._hooks: list[tuple[int, str, Callable[[], object]]] = []
        self._writes = 0
        self._waiting: dict[threading.Event, str] = {}
        self._paused = threading.Condition(self._lock)
        self._open = True

    def add(self, method: str, path: str, times: int, kind: str, *, seconds: float = 0.0, skip: int = 0) -> Fault:
        """Add a fault; see `Fault`.

        Raises:
            ValueError: for an unknown kind or an invalid regular expression.
        """
        fault = Fault(method, path, times, kind, seconds, skip)
        with self._lock:
            self._faults.append(fault)
        return fault

    def clear(self) -> None:
        """Remove all faults and the callbacks of `on_write`, and release paused requests."""
        with self._lock:
            self._faults.clear()
            self._hooks.clear()
        self.release()

    def on_write(self, n: int, callback: Callable[[], object], when: str = "after") -> None:
        """Call `callback` before or after the `n`-th write request from now takes effect (1 is the next write request).

        The callback runs before the response is sent, so a client that the callback kills gets no response. If a
        `before` callback returns False, the request is dropped, as if the client had died before sending it.
        """
        if when not in ("before", "after"):
            raise ValueError("when is 'before' or 'after'")
        with self._lock:
            self._hooks.append((self._writes + n, when, callback))

    def begin(self, method: str, path: str) -> tuple[list[Fault], int]:
        """Return the faults that affect this request, and its position among all write requests (0 for a read request).

        The call also counts the request: it lowers `times` of each returned fault by 1. A matching fault whose `skip`
        is above 0 is not returned; instead, its `skip` is lowered by 1.
        """
        with self._lock:
            number = 0
            if method not in READS:
                self._writes += 1
                number = self._writes
            hit = []
            for fault in self._faults:
                if fault.times > 0 and fault.matches(method, path):
                    if fault.skip > 0:
                        fault.skip -= 1
                        continue
                    fault.times -= 1
                    hit.append(fault)
        return hit, number

    def before(self, hit: list[Fault], number: int, label: str) -> None:
        """Call the `before` callbacks of this request, then apply the faults that act before it takes effect.

        Raises:
            ApiError: a fault refuses the request.
            Cut: the connection must be closed.
        """
        if False in self._call(number, "before"):
            raise Cut
        for fault in hit:
            if fault.kind == "slow":
                threading.Event().wait(fault.seconds)
            elif fault.kind == "pause_before":
                self._pause(label)
            elif fault.kind == "cut":
                raise Cut
            elif fault.kind in REFUSALS:
                raise ApiError(*REFUSALS[fault.kind])

    def after(self, hit: list[Fault], number: int, label: str) -> None:
        """Call the `after` callbacks of this request, then apply the faults that act between its effect and its answer.

        Raises:
            ApiError: the request is answered with a refusal although it took effect.
            Cut: the connection must be closed.
        """
        self._call(number, "after")
        for fault in hit:
            if fault.kind == "pause_after":
                self._pause(label)
            elif fault.kind == "cut_after":
                raise Cut
            elif fault.kind.removesuffix(AFTER) in REFUSALS and fault.kind.endswith(AFTER):
                raise ApiError(*REFUSALS[fault.kind.removesuffix(AFTER)])

    def _call(self, number: int, when: str) -> list[object]:
        with self._lock:
            due = [hook for hook in self._hooks if hook[:2] == (number, when)]
            self._hooks = [hook for hook in self._hooks if hook not in due]
        return [callback() for _, _, callback in due]

    def _pause(self, label: str) -> None:
        event = threading.Event()
        with self._paused:
            if not self._open:
                return
            self._waiting[event] = label
            self._paused.notify_all()
        event.wait()

    def paused(self) -> list[str]:
        """Return the paused requests, each as `METHOD path`."""
        with self._lock:
            return list(self._waiting.values())

    def wait_paused(self, timeout: float = 60.0) -> str:
        """Wait until a request is paused, and return it as `METHOD path`.

        Raises:
            TimeoutError: no request was paused within `timeout` seconds.
        """
        with self._paused:
            if not self._paused.wait_for(lambda: self._waiting, timeout):
                raise TimeoutError(f"no request was paused within {timeout} s")
            return next(iter(self._waiting.values()))

    def release(self) -> None:
        """Release all paused requests."""
        with self._lock:
            waiting, self._waiting = list(self._waiting), {}
        for event in waiting:
            event.set()

    def close(self) -> None:
        """Release all paused requests, and pause no later request."""
        with self._lock:
            self._open = False
        self.clear()

"""What models may cost that are asked over HTTP, where a token that may only propose could ask them all day long."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal

from agents.base import Limits
from agents.guard import Denied
from agents.scaling import ScalingDesk

RUN_USD = Limits().cost_usd
"""What a run is taken to cost while it lasts, and afterwards where it failed or its price is not known."""
TOKEN_USD, STACK_USD = Decimal(5), Decimal(10)
"""In 24 hours, of one token and of one stack."""
TOKEN_RUNS, STACK_RUNS = 2, 4
"""At once, of one token and of one stack."""
_WITHOUT = "POST /v1/plan plans a change without a model"


@dataclass
class Run:
    """One run of a model; `usd` is set when it ended well and its cost is known."""

    usd: Decimal | None = None


class Purse:
    """The budget of one stack's server; the ledger keeps what was spent."""

    def __init__(self, desk: ScalingDesk, stack: str) -> None:
        self._desk, self._stack = desk, stack
        self._running: Counter[str] = Counter()

    @contextmanager
    def run(self, person: str) -> Iterator[Run]:
        """Hold what a run may cost, for as long as it lasts; then count what it did cost.

        Raises:
            Denied: too many runs at once, or too little is left of the day's budget.
        """
        if self._running[person] >= TOKEN_RUNS or self._running.total() >= STACK_RUNS:
            what = f"a token has {TOKEN_RUNS} runs of a model at once, the stack {STACK_RUNS}"
            raise Denied(429, what, f"try again in a minute; {_WITHOUT}")
        limits = {person: TOKEN_USD, None: STACK_USD}
        number = self._desk.hold_model_run(self._stack, person, RUN_USD, limits)
        if number is None:
            what = f"in 24 hours models may cost a token ${TOKEN_USD} and the stack ${STACK_USD}, which is used up"
            raise Denied(429, what, f"try again tomorrow; {_WITHOUT}")
        self._running[person] += 1
        run = Run()
        try:
            yield run
        finally:
            self._running[person] -= 1
            self._desk.settle_model_run(number, RUN_USD if run.usd is None else run.usd)

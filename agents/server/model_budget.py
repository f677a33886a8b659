"""Limit the cost of language model runs over HTTP, which every token with the scope `propose` can start."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal

from agents.changes.service import ChangeService
from agents.llm.agent import Limits
from agents.server.auth import Denied

RUN_USD = Limits().cost_usd
"""Cost in US dollars to assume for a run that is in progress, that failed, or whose price is unknown."""
TOKEN_USD, STACK_USD = Decimal(5), Decimal(10)
"""Highest cost in US dollars within 24 hours: of all tokens with the same name, and of the stack."""
TOKEN_RUNS, STACK_RUNS = 2, 4
"""Highest number of simultaneous runs: of all tokens with the same name, and of the stack."""
_ALTERNATIVE = "POST /v1/plan plans a change without a model"


@dataclass
class Run:
    """One language model run; `usd` is its cost if the run succeeded and the cost is known, else None."""

    usd: Decimal | None = None


class ModelBudget:
    """Budget for the language model runs of one stack; the ledger stores the cost of each run."""

    def __init__(self, changes: ChangeService, stack: str) -> None:
        self._changes, self._stack = changes, stack
        self._running: Counter[str] = Counter()

    @contextmanager
    def run(self, person: str) -> Iterator[Run]:
        """Reserve the maximum cost of a model run until it ends; then record the actual cost if it is known.

        Raises:
            Denied: too many simultaneous runs, or the rest of the 24-hour budget is too small.
        """
        if self._running[person] >= TOKEN_RUNS or self._running.total() >= STACK_RUNS:
            what = f"at most {TOKEN_RUNS} model runs at once are allowed for a token, {STACK_RUNS} for the stack"
            raise Denied(429, what, f"try again in a minute; {_ALTERNATIVE}")
        limits = {person: TOKEN_USD, None: STACK_USD}
        number = self._changes.hold_model_run(self._stack, person, RUN_USD, limits)
        if number is None:
            what = f"the model budget for 24 hours is used up: ${TOKEN_USD} for a token, ${STACK_USD} for the stack"
            raise Denied(429, what, f"try again tomorrow; {_ALTERNATIVE}")
        self._running[person] += 1
        run = Run()
        try:
            yield run
        finally:
            self._running[person] -= 1
            self._changes.settle_model_run(number, RUN_USD if run.usd is None else run.usd)

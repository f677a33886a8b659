"""Fetch prices, rate and neighbours, then plan: the one call of everything that asks "may this be deployed?"."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

from infra import token
from infra.cost import capacity, group, rate, saved
from infra.cost.choice import Candidate, Deployed
from infra.cost.inputs import Inputs
from infra.cost.model import Fx, Plan
from infra.cost.planner import weigh
from infra.cost.prices import PriceList
from infra.cost.whole import plan
from infra.services import selected
from infra.settings import Settings
from stack_runtime.paths import project_dir

PRICES_VARIABLE = "FDS_PRICES_DIR"
"""A folder of saved price answers, for callers without a command line: the program and the policy pack."""


def today() -> date:
    """The day in UTC: prices and rates are dated by it."""
    return datetime.now(UTC).date()


def decide(
    settings: Settings,
    *,
    allow_snapshot: bool = False,
    prices_dir: Path | None = None,
    prices_date: date | None = None,
    on: date | None = None,
    project: Path | None = None,
) -> Plan:
    """Plan the settings on the best prices at hand.

    Prices come from `prices_dir` or `FDS_PRICES_DIR`, else with the stack's token from the API, else from the package.
    A local stack asks for nothing.

    Raises:
        UnknownError: prices came, but cannot be trusted.
        UnreachableError: the API does not answer, or refuses the token.
    """
    when = on or today()
    ground = Basis.of(
        settings,
        when,
        allow_snapshot=allow_snapshot,
        prices_dir=prices_dir,
        prices_date=prices_date,
        project=project,
    )
    return ground.plan(settings)


@dataclass(frozen=True)
class Basis:
    """What was fetched once, so that several settings can be planned on the very same figures."""

    today: date
    inputs: Inputs | None
    """None for a local stack, which needs no prices."""
    machine: capacity.Machine

    @classmethod
    def of(
        cls,
        settings: Settings,
        today: date,
        *,
        allow_snapshot: bool = False,
        prices_dir: Path | None = None,
        prices_date: date | None = None,
        project: Path | None = None,
    ) -> Basis:
        """Fetch for `settings`; see `decide` for where from and what it may raise."""
        if settings.host == "local":
            return cls(today, None, capacity.this_machine())
        prices, fx, deployed = _fetch(settings, today, prices_dir, prices_date)
        allowed = allow_snapshot or settings.allow_snapshot
        others = tuple(
            plan(
                other.model_copy(update={"tax": settings.tax}), selected(other), prices, fx, today, allow_snapshot=True
            )
            for other in group.others(project or project_dir(), settings)
        )
        return cls(today, Inputs(prices, fx, today, others, deployed, allowed), capacity.Machine())

    def plan(self, settings: Settings) -> Plan:
        """Plan `settings`, which may differ from those that the figures were fetched for."""
        if self.inputs is None:
            return plan(settings, selected(settings), None, None, self.today, machine=self.machine)
        known = self.inputs
        return plan(
            settings,
            selected(settings),
            known.prices,
            known.rate,
            self.today,
            others=known.others,
            deployed=known.deployed,
            allow_snapshot=known.allow_snapshot,
        )

    def without(self, server_type: str, location: str) -> Basis:
        """The same figures, but for one server type that cannot be had at one place, whatever the list says."""
        if self.inputs is None:
            return self
        prices = self.inputs.prices
        kind = prices.server_types[server_type]
        gone = kind.offers[location].model_copy(update={"available": False})
        kind = kind.model_copy(update={"offers": {**kind.offers, location: gone}})
        prices = prices.model_copy(update={"server_types": {**prices.server_types, server_type: kind}})
        return replace(self, inputs=replace(self.inputs, prices=prices))

    @property
    def deployed(self) -> Deployed | None:
        """What the account runs for this stack; None when it was not asked."""
        return self.inputs.deployed if self.inputs else None

    def considered(self, settings: Settings) -> list[Candidate]:
        """Every server that was weighed for `settings`, the best first; none for a local stack."""
        return weigh(settings, selected(settings), self.inputs) if self.inputs else []


def _fetch(
    settings: Settings, today: date, prices_dir: Path | None, prices_date: date | None
) -> tuple[PriceList, Fx, Deployed | None]:
    """Price list, exchange rate, and what the account runs for this stack (None: not asked)."""
    folder = prices_dir or (Path(os.environ[PRICES_VARIABLE]) if os.environ.get(PRICES_VARIABLE) else None)
    if folder is not None:
        return saved.read(folder, day=prices_date), rate.find(settings, today, ask=True), None
    opened_by = token.find(settings.stack)
    if opened_by is None:
        return saved.read(), rate.find(settings, today, ask=False), None
    from infra.cost import live  # 0.3 s that only this path needs

    account = live.Account(opened_by)
    return account.prices(today), rate.find(settings, today, ask=True), account.deployed(settings.stack)

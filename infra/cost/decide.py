"""Fetch prices, rate and neighbours, then plan: the one call of everything that asks "may this be deployed?"."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime
from pathlib import Path

from infra.cost import capacity, group, rate, snapshot
from infra.cost.choice import Deployed
from infra.cost.model import Fx, Plan
from infra.cost.prices import PriceList
from infra.cost.whole import plan
from infra.services import selected
from infra.settings import Settings
from stack_runtime.paths import project_dir

PRICES_VARIABLE = "FDS_PRICES_DIR"
"""A folder of saved price answers, for callers without a command line: the program and the policy pack."""
TOKEN_VARIABLE = "HCLOUD_TOKEN"


def decide(
    settings: Settings,
    *,
    allow_snapshot: bool = False,
    prices_dir: Path | None = None,
    prices_date: date | None = None,
    today: date | None = None,
    project: Path | None = None,
) -> Plan:
    """Plan the settings on the best prices at hand.

    Prices come from `prices_dir` or `FDS_PRICES_DIR`, else with `HCLOUD_TOKEN` from the API, else from the package.
    A local stack asks for nothing.

    Raises:
        UnknownError: prices came, but cannot be trusted.
        UnreachableError: the API does not answer, or refuses the token.
    """
    if settings.host == "local":
        now = today or date.min
        return plan(settings, selected(settings), None, None, now, machine=capacity.this_machine())
    when = today or datetime.now(UTC).date()
    prices, fx, deployed = inputs(settings, when, prices_dir=prices_dir, prices_date=prices_date)
    others = tuple(
        plan(other, selected(other), prices, fx, when, allow_snapshot=True)
        for other in group.others(project or project_dir(), settings)
    )
    return plan(
        settings,
        selected(settings),
        prices,
        fx,
        when,
        others=others,
        deployed=deployed,
        allow_snapshot=allow_snapshot,
    )


def inputs(
    settings: Settings, today: date, *, prices_dir: Path | None = None, prices_date: date | None = None
) -> tuple[PriceList, Fx, Deployed | None]:
    """Price list, exchange rate, and what the account runs for this stack (None: not asked)."""
    folder = prices_dir or (Path(os.environ[PRICES_VARIABLE]) if os.environ.get(PRICES_VARIABLE) else None)
    if folder is not None:
        return snapshot.read(folder, day=prices_date), rate.find(settings, today, ask=True), None
    token = os.environ.get(TOKEN_VARIABLE)
    if not token:
        return snapshot.read(), rate.find(settings, today, ask=False), None
    from infra.cost import live  # 0.3 s that only this path needs

    account = live.Account(token)
    return account.prices(today), rate.find(settings, today, ask=True), account.deployed(settings.stack)

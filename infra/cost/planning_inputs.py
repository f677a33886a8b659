"""Fetch prices, exchange rate and the other stacks of the budget group, then plan settings with them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

from infra import stack_file
from infra.cost.planning import capacity
from infra.cost.planning.choice import Candidate, Deployed
from infra.cost.planning.inputs import RentalInputs
from infra.cost.planning.lines import TaxedPrices
from infra.cost.planning.model import Plan
from infra.cost.planning.plan import plan
from infra.cost.planning.planner import converter_for, rank_servers
from infra.cost.sources import rate, saved
from infra.hosts.hetzner import token
from infra.services import Service, selected
from infra.settings import Settings
from stack_runtime.paths import project_dir

PRICES_VARIABLE = "FDS_PRICES_DIR"
"""Variable with a folder of saved price lists, for callers without a command line: program and policy pack."""


def today() -> date:
    """Return the date in UTC; prices and rates are dated in UTC."""
    return datetime.now(UTC).date()


@dataclass(frozen=True)
class ProgramStack:
    """Another stack that may share the budget: its settings, and its services outside the catalogue."""

    settings: Settings
    own: tuple[Service, ...] = ()


@dataclass(frozen=True)
class PlanningInputs:
    """Inputs fetched once, so that several settings are planned with the same figures."""

    today: date
    inputs: RentalInputs | None
    """None for a local stack, which needs no prices."""
    machine: capacity.Machine
    own: tuple[Service, ...] = ()
    """Services of this stack that are not in the catalogue."""

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
        deploying: bool = False,
        own: Sequence[Service] = (),
        beside: Sequence[ProgramStack] = (),
    ) -> PlanningInputs:
        """Fetch the planning inputs for `settings`. A local stack needs none.

        Prices come from `prices_dir` or `FDS_PRICES_DIR`; else from the API with the stack's token; else from the
        package. With a token, a deployment uses only prices of the API.

        Args:
            deploying: the plan decides on a deployment, not only on a report.
            own: services of this stack that are not in the catalogue.
            beside: other stacks of the same Pulumi program, which have no stack file of their own.

        Raises:
            UsageError: a stack file of the project, or a file of prices, is missing or wrong.
            UnknownError: the prices that were read are invalid or inconsistent.
            UnreachableError: the API does not answer, or refuses the token.
        """
        if settings.host == "local":
            return cls(today, None, capacity.this_machine(), tuple(own))
        home = project or project_dir()
        folder = prices_dir or (Path(os.environ[PRICES_VARIABLE]) if os.environ.get(PRICES_VARIABLE) else None)
        opened_by = token.find(settings.stack, home)
        neighbours = [*(ProgramStack(other) for other in rented(home, settings.stack)), *beside]
        if opened_by is not None and (deploying or folder is None):
            known = _from_account(settings, opened_by, neighbours, today, home)
        else:
            prices = saved.read(folder, day=prices_date) if folder else saved.read()
            known = RentalInputs(prices, rate.find(settings, today, ask=folder is not None), today)
        allowed = allow_snapshot or settings.allow_snapshot
        known = _with_group(settings, neighbours, replace(known, allow_snapshot=allowed))
        return cls(today, known, capacity.Machine(), tuple(own))

    def plan(self, settings: Settings) -> Plan:
        """Plan `settings`, which may differ from the settings that the inputs were fetched for."""
        if self.inputs is None:
            return plan(settings, selected(settings, self.own), None, None, self.today, machine=self.machine)
        known = self.inputs
        return plan(
            settings,
            selected(settings, self.own),
            known.prices,
            known.rate,
            self.today,
            others=known.others,
            other_groups=known.other_groups,
            running=known.running,
            deployed=known.deployed,
            allow_snapshot=known.allow_snapshot,
        )

    def without(self, server_type: str, location: str) -> PlanningInputs:
        """Return the same inputs with one server type marked as sold out at one location."""
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
        """What the account runs for this stack; None when the account was not queried."""
        return self.inputs.deployed if self.inputs else None

    def considered(self, settings: Settings) -> list[Candidate]:
        """Return all servers that `settings` allow, best first; empty for a local stack."""
        return rank_servers(settings, selected(settings, self.own), self.inputs) if self.inputs else []


def rented(project: Path, stack: str) -> list[Settings]:
    """Return the settings of the project's other stacks on rented servers; empty for a project that is not ours.

    Raises:
        UsageError: a stack file cannot be read; leaving it out would make the sum too low.
    """
    if not stack_file.is_ours(project):
        return []
    found = (stack_file.read(project, name) for name in stack_file.names(project) if name != stack)
    return [other for other in found if other.host != "local"]


def _from_account(
    settings: Settings, opened_by: str, neighbours: Sequence[ProgramStack], today: date, project: Path
) -> RentalInputs:
    """Fetch today's prices from the stack's account, and the resources in the accounts of all stacks."""
    from infra.cost.sources import (
        held,
        live,  # imported late: takes 0.3 s, and only this path needs it
    )

    own = live.Account(opened_by)
    tokens = {token.find(other.settings.stack, project) for other in neighbours} - {opened_by, None}
    prices, fx = own.prices(today), rate.find(settings, today, ask=True)
    entries = held.ask([own, *(live.Account(other) for other in sorted(filter(None, tokens)))])
    running = held.running(entries, TaxedPrices(prices, settings.tax), converter_for(fx))
    return RentalInputs(prices, fx, today, running=running, deployed=held.deployed(entries, settings.stack))


def _with_group(settings: Settings, neighbours: Sequence[ProgramStack], known: RentalInputs) -> RentalInputs:
    """Return the inputs with the plans of stacks in the same budget group and the names of the other stacks."""
    groups = {other.settings.stack: other.settings.budget_group for other in neighbours}
    others = tuple(
        plan(
            other.settings.model_copy(update={"tax": settings.tax}),
            selected(other.settings, other.own),
            known.prices,
            known.rate,
            known.today,
            allow_snapshot=True,
        )
        for other in neighbours
        if other.settings.budget_group == settings.budget_group
    )
    elsewhere = {stack: group for stack, group in groups.items() if group != settings.budget_group}
    return replace(known, others=others, other_groups=elsewhere)

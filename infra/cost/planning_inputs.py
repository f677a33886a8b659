"""Fetch prices, exchange rate and the other stacks of the budget group, then plan settings with them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

from infra import stack_file
from infra.cost.planning.capacity import Machine, this_machine
from infra.cost.planning.choice import Candidate, Deployed
from infra.cost.planning.inputs import RentalInputs
from infra.cost.planning.lines import TaxedPrices
from infra.cost.planning.model import Fx, Plan
from infra.cost.planning.plan import plan
from infra.cost.planning.planner import converter_for, rank_servers
from infra.cost.sources import rate, saved
from infra.hosts import account_token, host_of
from infra.services import Service, selected
from infra.settings import Settings
from stack_runtime.errors import UsageError
from stack_runtime.paths import project_dir

PRICES_VARIABLE = "FDS_PRICES_DIR"
"""Environment variable that names a folder of saved price lists. It is for callers without command-line options: the
Pulumi program and the policy pack."""


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
    """Inputs of plans, fetched once, so that several settings are planned with the same prices and exchange rate."""

    today: date
    inputs: RentalInputs | None
    """Prices, exchange rate and other stacks; None for a local stack that needs no prices."""
    machine: Machine | None
    """This machine or the user's own server; None for a rented server, whose size is in the price list."""
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
        rented: bool = False,
        identity: str | None = None,
        own: Sequence[Service] = (),
        beside: Sequence[ProgramStack] = (),
    ) -> PlanningInputs:
        """Fetch the planning inputs for `settings`. A local stack without rented resources needs no prices.

        Prices come from `prices_dir` or `FDS_PRICES_DIR`; else from the API, if there is a token; else from the price
        list in this package. If there is a token, a deployment uses only prices of the API.

        Args:
            deploying: whether the plan decides about a deployment; False for a plan that is only reported.
            rented: whether to read the price list even if the settings name a host that rents nothing, because the
                program itself added rented resources.
            identity: the stack's identity, which distinguishes its resources from those of another stack with the same
                name; None when it is not known.
            own: services of this stack that are not in the catalogue.
            beside: other stacks of the same Pulumi program, which have no stack file of their own.

        Raises:
            UsageError: a stack file of the project, or a file of prices, is missing or wrong; or stacks of one budget
                group have different `tax` settings.
            UnknownError: the prices that were read are invalid or inconsistent.
            UnreachableError: the API does not answer, or refuses the token.
        """
        host = host_of(settings)
        if host.on_this_machine and not rented:
            return cls(today, None, this_machine(), tuple(own))
        home = project or project_dir()
        machine = host.machine(settings, home)
        others = [*(ProgramStack(other) for other in paid_stacks(home, settings.stack)), *beside]
        sources = _Sources(settings, [other.settings for other in others], today, home, rented, identity)
        _refuse_different_taxes([settings, *sources.group()])
        known = sources.read(prices_dir, prices_date, deploying)
        known = replace(known, allow_snapshot=allow_snapshot or settings.allow_snapshot, machine=machine)
        return cls(today, _with_group(settings, others, known), machine, tuple(own))

    def plan(self, settings: Settings) -> Plan:
        """Plan `settings`, which may differ from the settings that the inputs were fetched for."""
        known = self.inputs or RentalInputs(None, None, self.today)
        return plan(settings, selected(settings, self.own), replace(known, machine=self.machine))

    def without(self, server_type: str, location: str) -> PlanningInputs:
        """Return the same inputs with one server type marked as sold out at one location.

        The list may lack the type or the location by now, because both can be withdrawn at any time.
        """
        prices = self.inputs.prices if self.inputs else None
        kind = prices.server_types.get(server_type) if prices else None
        if self.inputs is None or prices is None or kind is None or location not in kind.offers:
            return self
        gone = kind.offers[location].model_copy(update={"available": False})
        kind = kind.model_copy(update={"offers": {**kind.offers, location: gone}})
        prices = prices.model_copy(update={"server_types": {**prices.server_types, server_type: kind}})
        return replace(self, inputs=replace(self.inputs, prices=prices))

    @property
    def deployed(self) -> Deployed | None:
        """The stack's server and data volume in the account; None when the account was not queried."""
        return self.inputs.deployed if self.inputs else None

    def considered(self, settings: Settings) -> list[Candidate]:
        """Return all servers that `settings` allow, best first; empty for a host that rents no server."""
        if self.inputs is None or not host_of(settings).makes_machine:
            return []
        return rank_servers(settings, selected(settings, self.own), self.inputs)


def paid_stacks(project: Path, stack: str) -> list[Settings]:
    """Return the settings of the project's other stacks on paid servers; empty for a user's own Pulumi program.

    Raises:
        UsageError: a stack file cannot be read; leaving it out would make the sum too low.
    """
    if not stack_file.is_ours(project):
        return []
    found = (stack_file.read(project, name) for name in stack_file.names(project) if name != stack)
    return [other for other in found if not host_of(other).on_this_machine]


@dataclass(frozen=True)
class _Sources:
    """Sources of prices, rate and running resources for a stack and the other stacks of its project."""

    settings: Settings
    neighbours: Sequence[Settings]
    today: date
    project: Path
    rented: bool
    identity: str | None

    def read(self, prices_dir: Path | None, prices_date: date | None, deploying: bool) -> RentalInputs:
        """Return price list, rate and running resources; no price list if no stack of the group rents a server."""
        variable = os.environ.get(PRICES_VARIABLE)
        folder = prices_dir or (Path(variable) if variable else None)
        if not self._needs_list():
            return RentalInputs(None, self._rate(ask=True), self.today)
        api_token = next(filter(None, self._tokens()), None)
        if api_token is not None and (deploying or folder is None):
            return self._from_accounts(api_token)
        prices = saved.read(folder, day=prices_date) if folder else saved.read()
        return RentalInputs(prices, self._rate(ask=folder is not None), self.today)

    def group(self) -> list[Settings]:
        """Return the settings of the other stacks on paid servers in the same budget group."""
        group = self.settings.budget_group
        return [one for one in self.neighbours if one.budget_group == group and not host_of(one).on_this_machine]

    def _rate(self, *, ask: bool) -> Fx:
        """Return the highest of this stack's exchange rate and the rates that other stacks of the group state."""
        stating = [one for one in self.group() if one.fx_rate is not None]
        rates = {one.stack: rate.find(one, self.today, ask=ask) for one in (self.settings, *stating)}
        stack = max(rates, key=lambda name: rates[name].rate)
        if stack == self.settings.stack:
            return rates[stack]
        return rates[stack].model_copy(update={"source": f"{rates[stack].source}, the rate of stack {stack}"})

    def _own_is_on_list(self) -> bool:
        return self.rented or host_of(self.settings).makes_machine

    def _needs_list(self) -> bool:
        return self._own_is_on_list() or any(host_of(other).makes_machine for other in self.group())

    def _tokens(self) -> Iterator[str | None]:
        """Yield the API token of this stack if the stack rents a server, else the API tokens of the other stacks."""
        if self._own_is_on_list():
            yield account_token(self.settings, self.project)
            return
        for other in self.neighbours:
            yield host_of(other).account_token(other, self.project)

    def _from_accounts(self, api_token: str) -> RentalInputs:
        """Fetch today's price list and the resources from the accounts of all stacks.

        The plan of each stack, and the resources of each account, are priced with the list of their own account,
        because its currency and VAT depend on the account's owner. A stack without a token is planned with the list of
        `api_token`.
        """
        from infra.cost.sources import held, live  # imported here: it takes 0.3 s, and only this function needs it

        tokens = {other.stack: host_of(other).account_token(other, self.project) for other in self.neighbours}
        in_order = (api_token, *sorted(filter(None, {*tokens.values()} - {api_token})))
        accounts = [live.Account(token) for token in in_order]
        lists, fx = [each.prices(self.today) for each in accounts], self._rate(ask=True)
        entries, mine = held.ask(accounts), held.Own(self.settings.stack, self.identity)
        running = tuple(
            one
            for each, prices in zip(entries, lists, strict=True)
            for one in held.running(each, TaxedPrices(prices, self.settings.tax), converter_for(fx), mine)
        )
        listed = held.together(entries)
        deployed = held.deployed(listed, mine) if self._own_is_on_list() else None
        return RentalInputs(
            lists[0],
            fx,
            self.today,
            running=running,
            deployed=deployed,
            deployed_beside={stack: held.deployed(listed, held.Own(stack)) for stack in tokens},
            prices_beside={stack: lists[in_order.index(token)] for stack, token in tokens.items() if token},
        )


def _refuse_different_taxes(group: Sequence[Settings]) -> None:
    """Refuse different `tax` settings in one budget group: one account pays either net or gross prices.

    Otherwise, the sum of the group would depend on the stack that it is planned from.

    Raises:
        UsageError: the settings differ.
    """
    net, gross = (sorted(one.stack for one in group if one.tax == tax) for tax in ("net", "gross"))
    if not (net and gross):
        return
    raise UsageError(
        f"tax is net in stack {', '.join(net)} but gross in stack {', '.join(gross)}, and all stacks of budget group "
        f"{group[0].budget_group} need the same tax",
        next_command=f"{_set_tax('gross', net)}, or {_set_tax('net', gross)}",
    )


def _set_tax(tax: str, stacks: Sequence[str]) -> str:
    return " && ".join(f"pulumi config set tax {tax} --stack {stack}" for stack in stacks)


def _with_group(settings: Settings, neighbours: Sequence[ProgramStack], known: RentalInputs) -> RentalInputs:
    """Return the inputs with the plans of stacks in the same budget group, and the group of each stack outside it."""
    groups = {other.settings.stack: other.settings.budget_group for other in neighbours}
    others = []
    for other in neighbours:
        host = host_of(other.settings)
        if other.settings.budget_group == settings.budget_group and not host.on_this_machine:
            # For another stack on a rented server, do not check the ages of price list and exchange rate again, because
            # the plan of `settings` checks them. For a stack with its own `serverPrice`, check the age of this price,
            # because nothing else checks it.
            allowed = known.allow_snapshot or host.makes_machine
            deployed = known.deployed_beside.get(other.settings.stack)
            prices = known.prices_beside.get(other.settings.stack, known.prices)
            inputs = RentalInputs(prices, known.rate, known.today, deployed=deployed, allow_snapshot=allowed)
            others.append(plan(other.settings, selected(other.settings, other.own), inputs))
    elsewhere = {stack: group for stack, group in groups.items() if group != settings.budget_group}
    return replace(known, others=others, other_groups=elsewhere)

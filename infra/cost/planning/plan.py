"""Plan settings with alternatives, as one pure function."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from infra.cost.planning.alternatives import alternatives
from infra.cost.planning.capacity import Machine
from infra.cost.planning.choice import Deployed
from infra.cost.planning.inputs import RentalInputs, Running
from infra.cost.planning.model import Fx, Plan
from infra.cost.planning.prices import PriceList
from infra.hosts import host_of
from infra.services import Service
from infra.settings import Settings


def plan(
    settings: Settings,
    services: Sequence[Service],
    prices: PriceList | None,
    rate: Fx | None,
    today: date,
    *,
    others: Sequence[Plan] = (),
    other_groups: Mapping[str, str] | None = None,
    running: Sequence[Running] | None = None,
    deployed: Deployed | None = None,
    machine: Machine | None = None,
    allow_snapshot: bool = False,
) -> Plan:
    """Plan what the settings cost and whether they may be deployed. Pure.

    Args:
        prices: the price list; None if no stack of the group is on a rented server.
        others: plans of the other stacks of the budget group.
        other_groups: names of other budget groups by stack.
        running: all resources of the group's accounts; None when they were not queried.
        deployed: the deployed server and volume of this stack; None when unknown.
        machine: the machine that the containers run on, where it already exists.
        allow_snapshot: accept prices or a rate that are too old, with a warning.
    """
    host, allowed = host_of(settings), allow_snapshot or settings.allow_snapshot
    inputs = RentalInputs(prices, rate, today, others, other_groups or {}, running, deployed, allowed, machine)
    planned = host.plan(settings, services, inputs)
    if planned.verdict in ("over", "does_not_fit"):
        return planned.model_copy(update={"alternatives": alternatives(settings, services, inputs)})
    return planned

"""Plan settings, and add alternatives to a plan that is over the budget or does not fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from infra.cost.planning.alternatives import alternatives
from infra.cost.planning.inputs import RentalInputs
from infra.cost.planning.model import Plan
from infra.hosts import host_of
from infra.services import Service
from infra.settings import Settings


def plan(settings: Settings, services: Sequence[Service], inputs: RentalInputs) -> Plan:
    """Return what the settings cost and whether they may be deployed. The function reads no clock, network or files."""
    inputs = replace(inputs, allow_snapshot=inputs.allow_snapshot or settings.allow_snapshot)
    planned = host_of(settings).plan(settings, services, inputs)
    if planned.verdict in ("over", "does_not_fit"):
        return planned.model_copy(update={"alternatives": alternatives(settings, services, inputs)})
    return planned

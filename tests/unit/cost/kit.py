"""Build small, fixed settings, services and prices for tests of the cost model, independent of the catalogue."""

from __future__ import annotations

import copy
import json
from datetime import date
from decimal import Decimal
from typing import Any

from infra.cost import Plan, PriceList, Rate, plan
from infra.cost.planning import prices as price_lists
from infra.cost.planning.inputs import RentalInputs
from infra.cost.sources.saved import SHIPPED
from infra.services import Health, Resources, Service, Volume
from infra.settings import Settings

TODAY = date(2026, 10, 8)
"""The date of a test plan by default: one day after the date of the test prices, so that they are recent."""
RATE = Rate(rate=Decimal("1.1637"), date=date(2026, 10, 7), source="test")
PRICING: dict[str, Any] = json.loads((SHIPPED / "pricing.json").read_text())
SERVER_TYPES: list[dict[str, Any]] = json.loads((SHIPPED / "server_types.json").read_text())["server_types"]


def service(
    name: str = "app",
    memory_mb: int = 256,
    *,
    profile: str = "lean",
    needs: tuple[str, ...] = (),
    workers: bool = False,
    architectures: tuple[str, ...] = ("x86", "arm"),
    cpu: float = 0.1,
    cpu_limit: float = 1.0,
    limit_mb: int | None = None,
    disk_gb: int = 0,
    data: bool = False,
) -> Service:
    """Return a service of the given size; every field that is not an argument is a placeholder."""
    limit = memory_mb if limit_mb is None else limit_mb
    return Service(
        name=name,
        image=f"{name}:1",
        resources=Resources(memory_mb, limit, cpu, cpu_limit, disk_gb, image_mb=100, measured="test"),
        health=Health(("true",)),
        user="1:1",
        profile=profile,
        needs=needs,
        scaled_by="workers" if workers else None,
        architectures=architectures,
        volumes=(Volume(name, "/data"),) if data else (),
    )


def settings(**values: Any) -> Settings:
    """Return settings of a stack on a rented server; keys are in camelCase, as in a stack file."""
    return Settings.of("prod", {"host": "hetzner", **values})


def pricing() -> dict[str, Any]:
    """Return a copy of the shipped response of `GET /pricing`, which a test may change."""
    return copy.deepcopy(PRICING)


def server_types() -> list[dict[str, Any]]:
    """Return a copy of the shipped server types, which a test may change."""
    return copy.deepcopy(SERVER_TYPES)


def price_list(one: Any = None, types: Any = None) -> PriceList:
    """Return a price list dated one day before `TODAY`; the shipped document replaces an argument that is None."""
    return price_lists.read(
        PRICING if one is None else one,
        SERVER_TYPES if types is None else types,
        day=date(2026, 10, 7),
        source="test",
    )


def orderable(*names: str) -> list[dict[str, Any]]:
    """Return the shipped server types, with only the named types marked as available."""
    types = server_types()
    for kind in types:
        for place in kind["locations"]:
            place["available"] = kind["name"] in names
    return types


SHIPPED_PRICES = price_list()


def planned(
    own: Settings | None = None,
    services: tuple[Service, ...] = (service(),),
    prices: PriceList = SHIPPED_PRICES,
    rate: Rate | None = RATE,
    today: date = TODAY,
    **more: Any,
) -> Plan:
    """Return the plan of a stack; by default, the stack has one small service, and the prices are the shipped ones."""
    return plan(own or settings(), services, RentalInputs(prices, rate, today, **more))

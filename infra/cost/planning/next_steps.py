"""Plan the next larger data volume, system disk and memory before they are full, so that the cost is known early."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from infra.cost.planning.choice import AUTO, Candidate
from infra.cost.planning.model import NextStep, Plan, Server, UsageForecast
from infra.hosts import host_of
from infra.setting_types import MOST_VOLUME_GB
from infra.settings import Settings

_STEP_GB = 10


@dataclass(frozen=True)
class Planner:
    """Functions that try other settings of the stack, at the prices that its current plan uses.

    Args:
        plan: returns the plan of the given settings.
        servers: returns all servers that the given settings allow.
    """

    plan: Callable[[Settings], Plan]
    servers: Callable[[Settings], Sequence[Candidate]]


def with_next_steps(plan: Plan, settings: Settings, planner: Planner) -> Plan:
    """Return `plan` with its `more_memory` set, and with the next step for each disk that becomes full."""
    return plan.model_copy(
        update={
            "more_memory": _larger_server(plan, settings, planner, "memory_gb"),
            "usage": tuple(_with_step(forecast, plan, settings, planner) for forecast in plan.usage),
        }
    )


def _with_step(forecast: UsageForecast, plan: Plan, settings: Settings, planner: Planner) -> UsageForecast:
    if forecast.full_on is None or forecast.resource == "memory":
        return forecast
    if forecast.resource == "system":
        step = _larger_server(plan, settings, planner, "disk_gb")
    else:
        step = _larger_volume(plan, settings, planner)
    return forecast.model_copy(update={"next_step": step})


def _larger_volume(plan: Plan, settings: Settings, planner: Planner) -> NextStep | None:
    """Return the plan with a larger data volume than the planned one; an existing volume may exceed `volume_gb`.

    Returns: None if the host has no data volume, or if the volume already has the largest possible size.
    """
    if "volume_gb" in host_of(settings).unused_settings:
        return None
    planned = int(plan.capacity.volume_gb.available or settings.volume_gb)
    size = min(planned + max(_STEP_GB, planned // 2 // _STEP_GB * _STEP_GB), MOST_VOLUME_GB)
    if size <= planned:
        return None
    return _step({"volumeGb": str(size)}, planner.plan(settings.model_copy(update={"volume_gb": size})))


def _larger_server(plan: Plan, settings: Settings, planner: Planner, size: str) -> NextStep | None:
    """Return the cheapest larger server that can be ordered, or None; `size` names the field that must be larger.

    The larger server is at the location of the planned server, because a data volume cannot move. It has the planned
    server's architecture, and at least its cores, memory and disk. For a larger disk, this can be the planned type
    itself: a server whose type was changed has kept the disk of its first type.
    """
    if plan.server is None:
        return None
    held = plan.capacity.disk_gb.available if size == "disk_gb" else plan.server.memory_gb
    place: dict[str, Any] = {"location": plan.server.location}
    allowed = planner.servers(settings.model_copy(update={"server_type": AUTO, **place}))
    larger = [one for one in allowed if _is_as_large(one, plan.server) and getattr(one.kind, size) > held]
    if not larger:
        return None
    kind = min(larger, key=lambda one: (one.cost, one.kind.name)).kind.name
    larger_plan = planner.plan(settings.model_copy(update={"server_type": kind, **place}))
    return _step({"serverType": kind, **(place if settings.location == AUTO else {})}, larger_plan)


def _is_as_large(candidate: Candidate, server: Server) -> bool:
    kind = candidate.kind
    return (
        candidate.usable
        and kind.architecture == server.architecture
        and all(getattr(kind, name) >= getattr(server, name) for name in ("cores", "memory_gb", "disk_gb"))
    )


def _step(settings: dict[str, str], larger: Plan) -> NextStep:
    return NextStep(settings=settings, total_usd=larger.total_usd, verdict=larger.verdict)

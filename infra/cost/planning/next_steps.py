"""Plan the next larger size of each disk that fills up, so that its cost is known before it is needed."""

from __future__ import annotations

from collections.abc import Callable

from infra.cost.planning.model import DiskForecast, NextStep, Plan
from infra.hosts import host_of
from infra.settings import Settings

_STEP_GB = 10


def with_next_steps(plan: Plan, settings: Settings, plan_of: Callable[[Settings], Plan]) -> Plan:
    """Return `plan` with the next step of each disk that becomes full and that a setting enlarges.

    Args:
        plan_of: plans other settings of the stack with the same prices.
    """
    return plan.model_copy(update={"disks": tuple(_with_step(disk, settings, plan_of) for disk in plan.disks)})


def _with_step(disk: DiskForecast, settings: Settings, plan_of: Callable[[Settings], Plan]) -> DiskForecast:
    if disk.disk != "data" or disk.full_on is None or "volume_gb" in host_of(settings).unused_settings:
        return disk
    size = settings.volume_gb + max(_STEP_GB, settings.volume_gb // 2 // _STEP_GB * _STEP_GB)
    larger = plan_of(settings.model_copy(update={"volume_gb": size}))
    step = NextStep(settings={"volumeGb": str(size)}, total_usd=larger.total_usd, verdict=larger.verdict)
    return disk.model_copy(update={"next_step": step})

"""Define the staged faults: which faults happen at the same time on the deployed stack, and which alerts they cause."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from tests.integration.monitoring import faults, pipeline_faults
from tests.integration.monitoring.monitored import Monitored
from tests.integration.monitoring.notices import Alert


@dataclass(frozen=True)
class Scenario:
    """Faults that happen at the same time, the alerts that they must cause, and the alerts that they must not cause."""

    staged: Callable[[Monitored, Path], list[AbstractContextManager[None]]]
    """Function that gets the stack and an empty folder, and returns the faults in the order in which to cause them."""
    alerts: tuple[Alert, ...]
    absent: frozenset[str] = frozenset()
    """Names of alerts that these faults must not cause."""
    window_s: int = 0
    """Seconds for which the alerts continue after the faults, because their rules look back over this period."""


SCENARIOS = {
    # `exhausted` is the first scenario, because the growth of a disk is computed from the last six hours, and the
    # faults of other scenarios also write to the disk.
    "exhausted": Scenario(
        lambda stack, folder: [
            faults.filling_disk(),
            faults.nearly_no_memory(),
            faults.hungry(limit_mb=128, held_mb=117),
        ],
        alerts=(
            ("DiskFillingUp", r"tmpfs will be full within 3 days"),
            ("MemoryNearLimit", r"95(\.\d+)?% of the server's memory is in use"),
            ("ServiceMemoryNearLimit", r"9\d\.?\d*% of the memory limit of hungry is in use"),
        ),
        absent=frozenset({"DiskAlmostFull"}),
    ),
    "open": Scenario(
        lambda stack, folder: [
            pipeline_faults.plan_near_budget(folder, 81),
            pipeline_faults.failed_run(stack, folder, pipeline_faults.FAILS_A_CHECK),
            faults.full_disk(),
            faults.open_proxy_with_ending_certificate(days=5),
        ],
        alerts=(
            ("CostNearBudget", r"the plan costs 8[01](\.\d+)?% of the budget"),
            ("RouteOpen", r"dashboard\.localhost answers without the login"),
            ("CertificateEnds", r"the certificate of dashboard\.localhost ends in 5 days"),
            ("CheckFailed", r"1 checks of the last run failed"),
            ("PipelineRunFailed", r"the last run failed"),
            ("DiskAlmostFull", r"6\.\d+% of tmpfs is free"),
        ),
        absent=frozenset({"RouteDown"}),
    ),
    "down": Scenario(
        lambda stack, folder: [
            pipeline_faults.plan_near_budget(folder, 95),
            pipeline_faults.failed_run(stack, folder, pipeline_faults.CANNOT_BE_LOADED),
            *(faults.stopped(service) for service in ("postgres", "redis", "streamlit", "traefik")),
        ],
        alerts=(
            ("CostNearBudget", r"the plan costs 9[45](\.\d+)?% of the budget"),
            ("ServiceDown", r"postgres does not answer"),
            ("ServiceDown", r"redis does not answer"),
            ("RouteDown", r"streamlit does not answer behind dashboard\.localhost"),
            ("RouteDown", r"the proxy does not ask for the login at dashboard\.localhost"),
            ("TargetDown", r"traefik gives no metrics"),
            ("PipelineRunFailed", r"the last run failed"),
        ),
        absent=frozenset({"RouteOpen", "CertificateEnds", "CheckFailed"}),
    ),
    "silent": Scenario(
        lambda stack, folder: [
            pipeline_faults.plan_near_budget(folder, 100),
            pipeline_faults.no_run_for(stack, folder, days=15),
            faults.unmeasured(stack),
        ],
        alerts=(
            ("CostNearBudget", r"the plan costs 100% of the budget"),
            ("PipelineLate", r"the weekly run did not finish"),
            ("PipelineDataStale", r"no new data was published"),
            ("ContainersNotMeasured", r"the containers are not measured"),
        ),
        absent=frozenset({"PipelineRunFailed", "ServiceMemoryNearLimit"}),
    ),
    "restarting": Scenario(
        lambda stack, folder: [faults.restarting(stack)],
        alerts=(
            ("ServiceRestarting", r"postgres restarts"),
            ("ServiceRestarting", r"redis restarts"),
            ("ServiceRestarting", r"blackbox-exporter restarts"),
        ),
        window_s=900,
    ),
    # `quarantined` is the last scenario, because its alert needs an earlier sample: it compares a run with the average
    # of seven days, for which Prometheus takes one sample per quarter hour. The other scenarios usually last long
    # enough for a sample; if this scenario runs alone, it waits for the next quarter hour.
    "quarantined": Scenario(
        lambda stack, folder: [pipeline_faults.unusual_quarantine(stack, folder)],
        alerts=(("QuarantineUnusual", r"16\.67% of the rows are in quarantine"),),
        absent=frozenset({"PipelineRunFailed", "CheckFailed"}),
    ),
}

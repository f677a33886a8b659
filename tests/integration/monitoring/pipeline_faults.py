"""Cause faults of the pipeline and of the plan on the deployed stack, and repair them at the end of each `with` block.

A day without a run cannot be waited for. There, the product's own code writes what it would have written at that time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import ROUND_UP, Decimal
from pathlib import Path

from infra.cost.planning_inputs import PlanningInputs
from infra.operations.planned_cost import of_plan
from infra.settings import Settings
from stack_runtime.docker_host import call_runner, local_docker, running
from stack_runtime.planned_cost import PlannedCost
from tests.integration.monitoring.faults import stopped
from tests.integration.monitoring.monitored import STACK, Monitored, within

HEADER = "id,date,customer_id,amount,currency,category,description\n"
GOOD = HEADER + "".join(f"staged-{n},2026-01-02,c1,10.50,EUR,food,x\n" for n in range(20))
FAILS_A_CHECK = GOOD.replace("EUR", "a few euros")
CANNOT_BE_LOADED = "id,date\n1,2026-01-02\n"
PARTLY_UNREADABLE = GOOD + "".join(f"unreadable-{n},2026-01-02,c1,ten,EUR,food,x\n" for n in range(4))
"""A sixth of the rows; a file with over a fifth would be refused."""

QUARTER_S = 900
"""Prometheus takes what is usual from one value of every quarter of an hour."""

AGE_LAST_RUN = """
import os, sys
from dataclasses import replace
from datetime import timedelta
from stack_runtime.pipeline.metrics import write_metrics
from stack_runtime.pipeline.paths import from_environment
from stack_runtime.pipeline.postgres_config import PostgresConfig
from stack_runtime.pipeline.records import Records

paths, age = from_environment(), timedelta(days=int(sys.argv[1]))
(run,) = Records(paths, PostgresConfig.from_environment()).latest()
published = paths.published.stat().st_mtime - age.total_seconds()
os.utime(paths.published, (published, published))
write_metrics(replace(run, started_at=run.started_at - age, finished_at=run.finished_at - age), paths)
"""
"""Runs in the runner: write the metrics of the last run as that run would have written them some days earlier."""

RENTED = {"host": "hetzner", "serverType": "cpx22", "allowSnapshot": True, "fxRate": "1.11"}


def _run(stack: Monitored, file: Path, content: str) -> int:
    file.write_text(content)
    return stack.project.fds("run", "--csv", str(file), timeout=300).returncode


@contextmanager
def failed_run(stack: Monitored, folder: Path, content: str) -> Iterator[None]:
    """Run the pipeline on a file that fails, and after the block on a file that succeeds."""
    assert _run(stack, folder / "bad.csv", content) == 6
    try:
        yield
    finally:
        assert _run(stack, folder / "good.csv", GOOD) == 0


@contextmanager
def no_run_for(stack: Monitored, folder: Path, days: int) -> Iterator[None]:
    """Kill the pipeline with a last run of `days` days ago; afterwards, start it and run it."""
    assert _run(stack, folder / "last.csv", GOOD) == 0
    client = local_docker()
    code, output = running(client, STACK, "pipeline").exec_run(["python", "-c", AGE_LAST_RUN, str(days)])
    client.close()
    assert code == 0, output
    try:
        with stopped("pipeline"):
            yield
    finally:
        assert _run(stack, folder / "next.csv", GOOD) == 0


@contextmanager
def unusual_quarantine(stack: Monitored, folder: Path) -> Iterator[None]:
    """Run the pipeline on a partly unreadable file once a run without quarantine is usual, and then on a good file."""
    rows = "fds_pipeline_last_run_rows"
    good = f'{rows}{{kind="quarantined"}} == 0 and ignoring (kind) {rows}{{kind="read"}} > 0'
    usual = f"count_over_time(({good})[1h:15m])"
    assert _run(stack, folder / "usual.csv", GOOD) == 0
    assert within(QUARTER_S + 60, lambda: bool(stack.query(usual)))
    assert _run(stack, folder / "unusual.csv", PARTLY_UNREADABLE) == 0
    try:
        yield
    finally:
        assert _run(stack, folder / "good.csv", GOOD) == 0


@contextmanager
def plan_near_budget(folder: Path, percent: int) -> Iterator[None]:
    """Deliver the plan of a rented server that costs this share of its budget, and then the plan before it."""
    client = local_docker()
    delivered = _delivered_plan()
    try:
        call_runner(client, STACK, "stack_runtime.planned_cost", _plan_near_budget(folder, percent).as_json())
        yield
    finally:
        call_runner(client, STACK, "stack_runtime.planned_cost", delivered)
        client.close()


def _delivered_plan() -> str:
    client = local_docker()
    code, output = running(client, STACK, "pipeline").exec_run(["cat", "/data/metrics/cost.json"])
    client.close()
    assert code == 0 and isinstance(output, bytes), output
    return output.decode()


def _plan_near_budget(folder: Path, percent: int) -> PlannedCost:
    """Plan a server with the prices in the package, and with the budget of which it costs this share."""
    now = datetime.now(UTC)
    values = RENTED | {"fxDate": str(now.date())}
    settings = Settings.of(STACK, values)
    inputs = PlanningInputs.of(settings, now.date(), project=folder)
    total = inputs.plan(settings).total_usd
    assert total is not None
    budget = (total * 100 / percent).quantize(Decimal("0.01"), ROUND_UP)
    plan = inputs.plan(Settings.of(STACK, values | {"budgetUsd": str(budget if percent < 100 else total)}))
    assert plan.verdict == "within", plan.reason
    return of_plan(plan, now, now)

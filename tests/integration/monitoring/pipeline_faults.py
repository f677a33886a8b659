"""Cause faults of the pipeline and of the cost plan on the deployed stack, and repair them after each `with` block.

A test cannot wait for days until a run is late. Instead, it makes the last run older: it changes the time of the
published file, and the product's own code writes the metrics again, with earlier times.
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
from stack_runtime.docker_host import call_runner, local_docker
from stack_runtime.planned_cost import PlannedCost
from tests.integration.monitoring.faults import stopped
from tests.integration.monitoring.monitored import STACK, Monitored, execute, within

HEADER = "id,date,customer_id,amount,currency,category,description\n"
GOOD = HEADER + "".join(f"staged-{n},2026-01-02,c1,10.50,EUR,food,x\n" for n in range(20))
FAILS_A_CHECK = GOOD.replace("EUR", "a few euros")
CANNOT_BE_LOADED = "id,date\n1,2026-01-02\n"
PARTLY_UNREADABLE = GOOD + "".join(f"unreadable-{n},2026-01-02,c1,ten,EUR,food,x\n" for n in range(4))
"""Content of a file. A sixth of its rows are unreadable; the pipeline quarantines these rows and loads the others."""

QUARTER_S = 900
"""Seconds between two samples of the share of quarantined rows; the alert compares a run with the samples' average."""

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
"""Program for the runner: it dates the last run back in the metrics, and the published file too.

Its argument is the number of days."""

RENTED = {"host": "hetzner", "serverType": "cpx22", "allowSnapshot": True, "fxRate": "1.11"}


def _run(stack: Monitored, file: Path, content: str) -> int:
    file.write_text(content)
    return stack.project.fds("run", "--csv", str(file), timeout=300).returncode


@contextmanager
def _then_good_run(stack: Monitored, folder: Path) -> Iterator[None]:
    """After the block, run the pipeline on a good file."""
    try:
        yield
    finally:
        assert _run(stack, folder / "good.csv", GOOD) == 0


@contextmanager
def failed_run(stack: Monitored, folder: Path, content: str) -> Iterator[None]:
    """Run the pipeline on a bad file, with which the run fails; after the block, run it on a good file."""
    assert _run(stack, folder / "bad.csv", content) == 6
    with _then_good_run(stack, folder):
        yield


@contextmanager
def no_run_for(stack: Monitored, folder: Path, days: int) -> Iterator[None]:
    """Run the pipeline, date this run `days` days back and kill the runner; after the block, start it and run again."""
    assert _run(stack, folder / "last.csv", GOOD) == 0
    execute("pipeline", "python", "-c", AGE_LAST_RUN, str(days))
    with _then_good_run(stack, folder), stopped("pipeline"):
        yield


@contextmanager
def unusual_quarantine(stack: Monitored, folder: Path) -> Iterator[None]:
    """Quarantine an unusual share of rows.

    Run the pipeline on a good file, wait until Prometheus has recorded that it quarantined no rows, and run the
    pipeline on a partly unreadable file. After the block, run the pipeline on a good file.
    """
    rows = "fds_pipeline_last_run_rows"
    good = f'{rows}{{kind="quarantined"}} == 0 and ignoring (kind) {rows}{{kind="read"}} > 0'
    usual = f"count_over_time(({good})[1h:15m])"
    assert _run(stack, folder / "usual.csv", GOOD) == 0
    assert within(QUARTER_S + 60, lambda: bool(stack.query(usual)))
    assert _run(stack, folder / "unusual.csv", PARTLY_UNREADABLE) == 0
    with _then_good_run(stack, folder):
        yield


@contextmanager
def plan_near_budget(folder: Path, percent: int) -> Iterator[None]:
    """Give the runner a plan whose server costs `percent` % of the budget; after the block, restore the former plan."""
    client = local_docker()
    delivered = execute("pipeline", "cat", "/data/metrics/cost.json")
    try:
        call_runner(client, STACK, "stack_runtime.planned_cost", _plan_near_budget(folder, percent).as_json())
        yield
    finally:
        call_runner(client, STACK, "stack_runtime.planned_cost", delivered)
        client.close()


def _plan_near_budget(folder: Path, percent: int) -> PlannedCost:
    """Return a plan, at the prices in the package, in which a server costs `percent` % of the budget."""
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

"""Write the plan of a deployment into the running stack, for the monitoring and the dashboard of the stack."""

from __future__ import annotations

from datetime import UTC, datetime

from docker import DockerClient

from infra.cost import Plan
from infra.cost.planning.group import ALSO_RUNNING
from infra.cost.planning.lines import OFFSITE, SNAPSHOTS, TRAFFIC
from infra.cost.planning.model import Fx, Line, Source
from infra.engine.stack_operations import StackOperations
from infra.hosts import host_of
from stack_runtime import planned_cost
from stack_runtime.docker_host import call_runner
from stack_runtime.errors import StackError
from stack_runtime.planned_cost import CostLine, PlannedCost
from stack_runtime.text import Say

NOT_BY_THE_HOUR = (SNAPSHOTS, OFFSITE, TRAFFIC)
"""Lines of the bill whose cost does not depend on how long the server exists."""


def deliver(client: DockerClient, deployment: StackOperations, say: Say) -> None:
    """Write the plan of `deployment` into the stack, through the pipeline runner. A failure is reported, not raised.

    Args:
        say: called with a line for a person.
    """
    if deployment.plan is None:
        return
    try:
        created = host_of(deployment.settings).created_at(deployment)
        plan = of_plan(deployment.plan, datetime.now(UTC), created)
        call_runner(client, plan.stack, "stack_runtime.planned_cost", plan.as_json())
    except StackError as error:
        say(f"the dashboard does not show this plan: {error}")


def of_plan(plan: Plan, now: datetime, created: datetime | None) -> PlannedCost:
    """Convert a plan to the document that the running stack receives.

    Args:
        now: time of the deployment.
        created: when the rented server was created; None if that is unknown.
    """
    return PlannedCost(
        stack=plan.stack,
        verdict=plan.verdict,
        reason=plan.reason,
        budget_usd=plan.budget_usd,
        total_usd=None if plan.verdict == "unknown" else plan.total_usd,
        tax=plan.tax,
        paid=not host_of(plan).on_this_machine,
        deployed_at=now,
        server_created_at=created,
        prices=_source(plan.prices),
        rate=_source(plan.fx),
        lines=tuple(_line(line, plan) for line in plan.lines),
    )


def _line(line: Line, plan: Plan) -> CostLine:
    """Convert one line of the bill.

    Lines of other stacks and of resources outside the plan are not marked `by_the_hour`, because it is unknown when
    they were created.
    """
    own = line.unit != "stack" and not line.resource.startswith(ALSO_RUNNING)
    by_the_hour = plan.server is not None and own and line.resource not in NOT_BY_THE_HOUR
    return CostLine(line.resource, line.monthly_usd, by_the_hour, line.note)


def _source(found: Source | Fx | None) -> planned_cost.Source | None:
    if found is None:
        return None
    rate = f"{found.rate:f} US dollars per euro, " if isinstance(found, Fx) else ""
    return planned_cost.Source(str(found.date), rate + found.source)

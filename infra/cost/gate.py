"""Define the gate: the function that checks the plan before a deployment by the program, a command or an agent."""

from __future__ import annotations

from infra.cost.planning.messages import below_known, raised
from infra.cost.planning.model import Plan
from infra.cost.reports.text import table
from infra.hosts import host_of
from stack_runtime.errors import RefusedError, StackError, UnknownError


def gate(plan: Plan) -> None:
    """Raise an error that contains the plan's table and reason, unless the plan's verdict is `within`.

    Raises:
        RefusedError: the plan is over the budget, or the services do not fit.
        UnknownError: a price, the rate or a capacity is unknown or too old.
    """
    if plan.verdict != "within":
        raise refusal(plan)


def refusal(plan: Plan) -> StackError:
    """Return the error for a refused plan. Its text contains the plan's table, so that every caller shows the table."""
    kind = UnknownError if plan.verdict == "unknown" else RefusedError
    warnings = [*raised(plan.budget_usd), *below_known(plan.fx)]
    what = "; ".join([f"{plan.verdict.replace('_', ' ')}: {plan.reason}", *warnings])
    return kind(f"{table(plan)}\n{what}", where=f"stack {plan.stack}", next_command=_next(plan))


def _next(plan: Plan) -> str:
    if plan.alternatives:
        return plan.alternatives[0].command(plan.stack)
    if plan.verdict == "unknown":
        return plan.advice or host_of(plan).command_when_unknown(plan.stack)
    return f"fds cost --stack {plan.stack} --explain"

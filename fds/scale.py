"""`fds scale KEY=VALUE…`: plan a change of settings; with --apply, write it if the plan is within the budget."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from fds import _plans
from fds.output import AsJson, Stack, answer, say
from infra.scalable import SCALABLE

if TYPE_CHECKING:
    from infra.cost.planning.model import Plan
    from infra.settings import Settings

Pairs = Annotated[
    list[str],
    typer.Argument(
        metavar="KEY=VALUE…",
        help="; ".join(f"{one.key}: {one.label}" for one in SCALABLE),
    ),
]
Apply = Annotated[bool, typer.Option("--apply", help="Write the stack file when the plan is within the budget.")]


def command(
    pairs: Pairs,
    stack: Stack = "dev",
    apply: Apply = False,
    as_json: AsJson = False,
    allow_snapshot: _plans.AllowSnapshot = False,
    prices: _plans.Prices = None,
    prices_date: _plans.PricesDate = None,
    fx_rate: _plans.FxRate = None,
    fx_date: _plans.FxDate = None,
) -> None:
    """Plan a change of size and show what it adds; with --apply, write it into the stack file."""
    from infra import stack_file
    from infra.cost.planning import scaling
    from infra.cost.reports import report
    from infra.cost.reports.diff import diff
    from stack_runtime.paths import project_dir

    project = project_dir()
    written = stack_file.read(project, stack)
    settings = _plans.with_rate(written, fx_rate, fx_date)
    changes = scaling.parse(pairs, written)
    wanted = scaling.changed(settings, changes)
    basis = _plans.planning_inputs(
        settings, project, allow_snapshot=allow_snapshot, prices=prices, prices_date=prices_date
    )
    plan = diff(basis.plan(settings), basis.plan(wanted))
    scaling.refuse_harm(settings, wanted, plan, basis.deployed)
    plan = _with_request(plan, pairs, settings)
    if apply and plan.verdict == "within":
        stack_file.write(project, stack, changes, planned_on=written)
    if as_json:
        answer(plan.model_dump(mode="json"))
    else:
        report.show(plan, _plans.console())
    _plans.exit_by_verdict(plan)
    if apply:
        say(f"written to Pulumi.{stack}.yaml; next: fds up --stack {stack}")
    else:
        say("nothing was written; --apply writes the stack file")


def _with_request(plan: Plan, pairs: list[str], settings: Settings) -> Plan:
    """Return the plan with alternatives that contain the requested pairs, unless the alternative replaces their value.

    Alternatives are planned on top of the request, but `fds scale` starts from the stack file. An alternative that
    leaves `settings` unchanged is removed.
    """
    from infra.cost.planning import scaling

    requested = dict(pair.split("=", 1) for pair in pairs)
    found = [other.model_copy(update={"settings": requested | other.settings}) for other in plan.alternatives]
    kept = [other for other in found if scaling.changed(settings, scaling.parse(other.pairs, settings)) != settings]
    return plan.model_copy(update={"alternatives": tuple(kept)})

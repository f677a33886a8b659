"""`fds cost`: show what the stack costs a month, and whether it may be deployed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fds import _plans
from fds.output import AsJson, Stack, answer
from stack_runtime.errors import UnknownError, UsageError

if TYPE_CHECKING:
    from infra.cost import Plan
    from infra.cost.planning_inputs import PlanningInputs
    from infra.settings import Settings

Markdown = Annotated[bool, typer.Option("--markdown", help="Print Markdown, for a pull request.")]
Diff = Annotated[bool, typer.Option("--diff", help="Compare with the stack file at the git revision --base.")]
Base = Annotated[str, typer.Option("--base", help="The git revision that --diff compares with.")]
Explain = Annotated[bool, typer.Option("--explain", help="Show every formula, service and server type.")]
Actual = Annotated[
    bool, typer.Option("--actual", help="Show what the account really runs, with prices, next to the plan.")
]

_APART = (
    ("json", "markdown"),
    ("explain", "markdown"),
    ("actual", "markdown"),
    ("actual", "explain"),
    ("actual", "diff"),
)


def command(
    stack: Stack = "dev",
    as_json: AsJson = False,
    markdown: Markdown = False,
    diff: Diff = False,
    base: Base = "HEAD",
    explain: Explain = False,
    actual: Actual = False,
    allow_snapshot: _plans.AllowSnapshot = False,
    prices: _plans.Prices = None,
    prices_date: _plans.PricesDate = None,
    fx_rate: _plans.FxRate = None,
    fx_date: _plans.FxDate = None,
) -> None:
    """Show what the stack costs a month, line by line, against its budget."""
    _refuse_apart(base, json=as_json, markdown=markdown, diff=diff, explain=explain, actual=actual)
    from infra import stack_file
    from stack_runtime.paths import project_dir

    project = project_dir()
    settings = _plans.with_rate(stack_file.read(project, stack), fx_rate, fx_date)

    def fetch(of: Settings) -> PlanningInputs:
        return _plans.planning_inputs(
            of, project, allow_snapshot=allow_snapshot, prices=prices, prices_date=prices_date
        )

    basis = fetch(settings)
    plan = _planned(basis, settings, project, base if diff else None, fetch)
    if actual:
        return _actual(plan, basis, as_json=as_json)
    if as_json:
        answer(plan.model_dump(mode="json"))
    elif markdown:
        from infra.cost.reports.markdown import render

        print(render(plan), end="")
    else:
        _show(plan, basis, settings, explain=explain)
    _plans.exit_by_verdict(plan)


def _refuse_apart(base: str, **given: bool) -> None:
    """Refuse combinations of options in which one option would have no effect."""
    if base != "HEAD" and not given["diff"]:
        raise UsageError("--base is a revision for --diff", next_command=f"fds cost --diff --base {base}")
    for one, other in _APART:
        if given[one] and given[other]:
            raise UsageError(f"--{one} and --{other} do not go together", next_command="leave out one of them")


def _planned(
    basis: PlanningInputs,
    settings: Settings,
    project: Path,
    base: str | None,
    fetch: Callable[[Settings], PlanningInputs],
) -> Plan:
    """Return the plan with the last measurement and the next steps.

    Args:
        base: Git revision to compare with; None for no comparison.
        fetch: returns the planning inputs of other settings, from the same sources.
    """
    from infra.cost.planning.next_steps import Planner, with_next_steps
    from infra.cost.reports.diff import diff
    from infra.cost.sources import measured
    from infra.hosts import host_of

    plan = basis.plan(settings)
    if base is not None:
        before = _committed(base, project, settings)
        same_host = host_of(before) is host_of(settings)
        # Fetch inputs for another host, because a stack on this machine has no prices, and each host has its machine.
        plan = diff((basis if same_host else fetch(before)).plan(before), plan)
    planner = Planner(basis.plan, basis.considered)
    return with_next_steps(measured.with_measurement(plan, project, basis.today), settings, planner)


def _show(plan: Plan, basis: PlanningInputs, settings: Settings, *, explain: bool) -> None:
    from infra.cost.reports import report

    console = _plans.console()
    report.show(plan, console)
    if explain:
        report.formulas(plan, console)
        report.services(plan, console)
        report.considered(basis.considered(settings), console)


def _committed(base: str, project: Path, settings: Settings) -> Settings:
    """Return the stack's settings as committed in the Git revision `base`, but with the exchange rate of `settings`."""
    from infra.cost.sources.baseline import committed

    rate = {"fx_rate": settings.fx_rate, "fx_date": settings.fx_date}
    return committed(project, settings.stack, base).model_copy(update=rate)


def _actual(plan: Plan, basis: PlanningInputs, *, as_json: bool) -> None:
    from datetime import UTC, datetime

    from infra.cost.reports import actual, report
    from infra.cost.sources.live import Account
    from infra.engine.identity import find_identity
    from stack_runtime.paths import project_dir

    if basis.inputs is None or basis.inputs.prices is None:
        raise UsageError(
            f"stack {plan.stack} orders nothing from a cloud account, so no actual cost is known",
            next_command="fds cost --actual --stack prod",
        )
    account, identity = Account.of(plan.stack), find_identity(project_dir(), plan.stack)
    found = actual.ask(plan, basis.inputs.prices, account, datetime.now(UTC), identity)
    if as_json:
        answer(found.model_dump(mode="json"))
    else:
        report.actual(found, _plans.console())
    if found.total_usd is None:
        raise typer.Exit(UnknownError.exit_code)

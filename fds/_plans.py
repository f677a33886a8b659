"""Provide the common parts of `fds cost` and `fds scale`: options, planning inputs, console and exit code."""

from __future__ import annotations

import os
import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stack_runtime.errors import RefusedError, UnknownError, UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from infra.cost import Plan
    from infra.cost.planning_inputs import PlanningInputs
    from infra.settings import Settings

AllowSnapshot = Annotated[
    bool, typer.Option("--allow-snapshot", help="Accept prices and an exchange rate that are too old.")
]
Prices = Annotated[Path | None, typer.Option("--prices", help="Folder with pricing.json and server_types.json.")]
PricesDate = Annotated[str | None, typer.Option("--prices-date", help="Date of those prices, such as 2026-10-07.")]
FxRate = Annotated[str | None, typer.Option("--fx-rate", help="Exchange rate: US dollars for one euro.")]
FxDate = Annotated[str | None, typer.Option("--fx-date", help="Date of that rate.")]

_WIDTH = 100
"""Width of the output in characters if there is no terminal."""


def with_rate(settings: Settings, rate: str | None, day: str | None) -> Settings:
    """Return the settings; if the command line has an exchange rate, it replaces the rate of the settings."""
    if rate is None and day is None:
        return settings
    from pydantic import ValidationError

    from infra.setting_types import reason_of
    from infra.settings import Settings

    values: dict[str, Any] = settings.model_dump(exclude={"fx_rate", "fx_date"})
    try:
        return Settings.model_validate({**values, "fx_rate": rate, "fx_date": day})
    except ValidationError as error:
        advice = "--fx-rate 1.1637 --fx-date 2026-05-27"
        raise UsageError(f"the rate is not usable: {reason_of(error)}", next_command=advice) from None


def _day(text: str | None) -> date | None:
    """Parse a date of the command line."""
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"'{text}' is not a date", next_command="--prices-date 2026-10-07") from None


def planning_inputs(
    settings: Settings, project: Path, *, allow_snapshot: bool, prices: Path | None, prices_date: str | None
) -> PlanningInputs:
    """Fetch prices, exchange rate and the other inputs of a plan from the sources that the options name."""
    from infra.cost.planning_inputs import PRICES_VARIABLE, PlanningInputs, today
    from infra.engine.identity import find_identity
    from infra.hosts import host_of

    if prices_date is not None and prices is None and not os.environ.get(PRICES_VARIABLE):
        raise UsageError(
            "--prices-date is the date of the prices in a folder, but no folder is named",
            next_command=f"--prices DIR --prices-date {prices_date}",
        )
    return PlanningInputs.of(
        settings,
        today(),
        allow_snapshot=allow_snapshot,
        prices_dir=prices,
        prices_date=_day(prices_date),
        project=project,
        identity=None if host_of(settings).on_this_machine else find_identity(project, settings.stack),
    )


def console() -> Console:
    """Return a console on stdout; without a terminal, it has no colour and a fixed width."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else _WIDTH, soft_wrap=not sys.stdout.isatty())


def exit_by_verdict(plan: Plan) -> None:
    """Exit with the code of the verdict unless it is `within`; the caller has already printed the plan."""
    if plan.verdict != "within":
        raise typer.Exit((UnknownError if plan.verdict == "unknown" else RefusedError).exit_code)

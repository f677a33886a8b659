"""Print reports as Rich tables, or as plain text if the output is not a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from infra.cost.planning.choice import Candidate
from infra.cost.planning.model import Change, Need, NextStep, Plan, UsageForecast, exact
from infra.cost.reports.actual_model import Actual
from infra.cost.reports.text import money, quantity, unit_price
from stack_runtime.pipeline.usage import NAMES

_COLOURS = {"within": "green", "over": "red", "does_not_fit": "red", "unknown": "yellow"}
_BAR = 30


def show(plan: Plan, console: Console) -> None:
    """Print a plan: bill, budget, capacity, forecasts, changes, warnings, alternatives, verdict and advice."""
    console.print(_heading(plan), highlight=False)
    console.print(_bill(plan))
    _print(console, f"  {bar(plan)}")
    _print(console, f"  {basis(plan)}")
    _capacity(plan, console)
    for text in outlook(plan):
        _print(console, f"  {text}")
    if plan.changes:
        changes(plan.changes, console)
    for warning in plan.warnings:
        console.print(f"  [yellow]![/] {escape(warning)}", highlight=False)
    if plan.alternatives:
        _alternatives(plan, console)
    colour = _COLOURS[plan.verdict]
    console.print(f"[{colour}]{plan.verdict.replace('_', ' ')}[/]: {escape(plan.reason)}", highlight=False)
    if plan.advice:
        _print(console, f"next: {plan.advice}")


def _print(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False)


def _heading(plan: Plan) -> str:
    if plan.server is None:
        return f"[bold]{escape(plan.stack)}[/] on {plan.host}"
    server = plan.server
    memory = format(server.memory_gb.normalize(), "f")
    size = f"{server.cores} cores ({server.architecture}), {memory} GB memory, {server.disk_gb} GB disk"
    return f"[bold]{escape(plan.stack)}[/] on {escape(server.type)} in {escape(server.location)}: {size}"


def _bill(plan: Plan) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("Name")
    table.add_column("Quantity", justify="right")
    table.add_column("Unit")
    table.add_column(f"Price {plan.currency}", justify="right")
    table.add_column("Monthly", justify="right")
    for line in plan.lines:
        price, monthly = unit_price(line, plan), money(line.monthly_usd)
        table.add_row(escape(line.resource), quantity(line), line.unit, price, monthly)
    table.add_section()
    euros = "" if plan.total_eur is None else f"{plan.total_eur:,.2f} EUR"
    table.add_row("[bold]Total a month[/]", "", "", euros, f"[bold]{money(plan.total_usd)}[/]")
    return table


def bar(plan: Plan) -> str:
    """Return a text that shows the total as a share of the budget: a bar of `_BAR` characters, and a percentage."""
    if plan.total_usd is None:
        return f"[{'?' * _BAR}] unknown of {money(plan.budget_usd)}"
    part = plan.total_usd / plan.budget_usd if plan.budget_usd else Decimal(1 if plan.total_usd else 0)
    filled = min(_BAR, int(part * _BAR))
    more = ">" if part > 1 else ""
    return f"[{'#' * filled}{'.' * (_BAR - filled)}]{more} {part:.0%} of {money(plan.budget_usd)}"


def basis(plan: Plan) -> str:
    """Return the sources and dates of prices and rate."""
    if plan.prices is None:
        return "no price is known" if plan.total_usd is None else "no prices are needed on the local host"
    fx = f"1 EUR = {plan.fx.rate:f} USD of {plan.fx.date} ({plan.fx.source})" if plan.fx else "no exchange rate"
    return f"{plan.tax} prices of {plan.prices.date} ({plan.prices.source}); {fx}"


def _capacity(plan: Plan, console: Console) -> None:
    own = plan.capacity
    parts = [_need("memory", own.memory_mb, "MiB"), _need("CPU", own.cpu, "cores")]
    if own.disk_gb.available is not None:
        parts.append(_need("disk", own.disk_gb, "GB"))
    if own.volume_gb.available is not None:
        parts.append(_need("volume", own.volume_gb, "GB"))
    _print(console, f"  reserved: {', '.join(parts)}")


def _need(name: str, need: Need, unit: str) -> str:
    used = need.reserved + need.overhead
    of = "" if need.available is None else f" of {need.available.normalize():,f}"
    return f"{name} {used.normalize():,f}{of} {unit}"


def _alternatives(plan: Plan, console: Console) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("Within the budget")
    table.add_column("Monthly", justify="right")
    table.add_column(f"fds scale --stack {plan.stack} …")
    for other in plan.alternatives:
        table.add_row(escape(other.describe), money(other.total_usd), escape(" ".join(other.pairs)))
    console.print(table)


def changes(found: Sequence[Change], console: Console) -> None:
    """Print the differences between two plans."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("Change")
    for name in ("Before", "After", "Added"):
        table.add_column(name, justify="right")
    table.add_column("")
    for change in found:
        added = signed(change.added_usd)
        note = "; ".join(part for part in ("once" if change.once else "a month", change.note) if part)
        table.add_row(escape(change.resource), money(change.before_usd), money(change.after_usd), added, escape(note))
    console.print(table)


def signed(value: Decimal) -> str:
    """Return dollars with a plus or minus sign."""
    return f"{'-' if value < 0 else '+'}${abs(value):,.2f}"


def services(plan: Plan, console: Console) -> None:
    """Print the reservations and limits of each service."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("Service")
    for name in ("Replicas", "In use", "Memory MiB", "limit", "CPU", "limit", "Disk GB"):
        table.add_column(name, justify="right")
    table.add_column("Measured")
    for need in plan.capacity.services:
        table.add_row(
            need.name,
            str(need.replicas),
            "-" if need.measured_mb is None else str(need.measured_mb),
            str(need.memory_mb),
            str(need.memory_limit_mb),
            f"{need.cpu:f}",
            f"{need.cpu_limit:f}",
            str(need.disk_gb),
            escape(need.measured or "not measured"),
        )
    overhead = f"{plan.capacity.memory_mb.overhead:f}"
    table.add_row("system and Docker", "", "", overhead, "", f"{plan.capacity.cpu.overhead:f}", "",
                  f"{plan.capacity.disk_gb.overhead:f}", "see docs/cost.md")  # fmt: skip
    console.print(table)
    seen = plan.capacity.measured_on
    _print(
        console, f"  in use: MiB, by fds status on {seen}" if seen else "  in use: not known, fds status measures it"
    )


def outlook(plan: Plan) -> list[str]:
    """Return sentences about when disks and memory become full, and about the cost of the next larger sizes."""
    return [*(_full(forecast, plan) for forecast in plan.usage if forecast.full_on), *_more_memory(plan)]


def _full(forecast: UsageForecast, plan: Plan) -> str:
    used = f"{forecast.used_gb} of {forecast.size_gb} GB"
    text = f"the {NAMES[forecast.resource]} ({used}) is full on {forecast.full_on}"
    if (step := forecast.next_step) is None:
        return text
    needs = " takes a new server (docs/operations.md), which" if forecast.resource == "system" else " then"
    return f"{text}; {_command(step, plan)}{needs} costs {_cost(step)}"


def _more_memory(plan: Plan) -> list[str]:
    if (step := plan.more_memory) is None:
        return []
    held = [need.measured_mb for need in plan.capacity.services if need.measured_mb is not None]
    in_use = f" (the services held {sum(held):,} MiB on {plan.capacity.measured_on})" if held else ""
    return [f"the next server with more memory{in_use}: {_command(step, plan)} then costs {_cost(step)}"]


def _command(step: NextStep, plan: Plan) -> str:
    return f"fds scale {step.arguments} --stack {plan.stack}"


def _cost(step: NextStep) -> str:
    return f"{money(step.total_usd)} a month ({step.verdict.replace('_', ' ')})"


def formulas(plan: Plan, console: Console) -> None:
    """Print how each line was calculated."""
    for line in plan.lines:
        calculation = f"{quantity(line)} x {exact(line.unit_price)} {line.currency}"
        rate = f" x {plan.fx.rate:f}" if plan.fx and line.currency == "EUR" else ""
        note = f"  ({line.note})" if line.note else ""
        _print(console, f"  {line.resource}: {calculation}{rate}, rounded up = {money(line.monthly_usd)}{note}")


def considered(found: Sequence[Candidate], console: Console) -> None:
    """Print all servers that the settings allow, and for each whether the stack can use it, cheapest first."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("Server type")
    table.add_column("Location")
    table.add_column("Monthly", justify="right")
    table.add_column("")
    for index, candidate in enumerate(found):
        kind, why = candidate.kind.name, _why(candidate, first=index == 0)
        table.add_row(escape(kind), escape(candidate.location), money(candidate.usd), why)
    console.print(table)


def _why(candidate: Candidate, *, first: bool) -> str:
    if candidate.problems:
        return escape("; ".join(candidate.problems))
    if not candidate.reachable:
        return "not possible with the existing server or volume"
    if not candidate.usable:
        return "cannot be ordered"
    return "the cheapest that fits" if first else "fits, costs more"


def actual(found: Actual, console: Console) -> None:
    """Print the resources of the account, and compare their cost with the plan and the budget."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("Stack")
    table.add_column("Resource")
    for name in ("Hours", "So far", "Monthly"):
        table.add_column(name, justify="right")
    for item in found.items:
        name = escape(f"{item.resource}{f': {item.note}' if item.note else ''}")
        table.add_row(escape(item.owner), name, str(item.hours), money(item.so_far_usd), money(item.monthly_usd))
    table.add_section()
    table.add_row("[bold]Account[/]", "", "", money(found.so_far_usd), f"[bold]{money(found.total_usd)}[/]")
    console.print(table)
    planned = (
        f"stack {found.stack}: {money(found.stack_usd)} a month in the account, {money(found.planned_usd)} planned"
    )
    _print(console, f"  {planned}, {money(found.budget_usd)} budget")
    for warning in found.warnings:
        console.print(f"  [yellow]![/] {escape(warning)}", highlight=False)

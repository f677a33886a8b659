"""Format a plan as Markdown, for a comment on a pull request."""

from __future__ import annotations

from collections.abc import Sequence

from infra.cost.planning.model import Plan
from infra.cost.reports.report import bar, basis, outlook, signed
from infra.cost.reports.text import money, quantity, unit_price


def render(plan: Plan) -> str:
    """Return the plan as Markdown: verdict, bill, sources, changes, warnings, forecasts of disks and memory,
    alternatives."""
    heading = f"### {plan.stack}: {plan.verdict.replace('_', ' ')}"
    reason = f"{plan.reason}; next: {plan.advice}" if plan.advice else plan.reason
    parts = [heading, _cell(reason), _bill(plan), f"`{bar(plan)}`", _cell(basis(plan))]
    if plan.changes:
        parts.append(_changes(plan))
    if plan.warnings:
        parts.append("\n".join(f"- {_cell(warning)}" for warning in plan.warnings))
    if steps := outlook(plan):
        parts.append("\n".join(f"- {_cell(text)}" for text in steps))
    if plan.alternatives:
        parts.append(_alternatives(plan))
    return "\n\n".join(parts) + "\n"


def _bill(plan: Plan) -> str:
    rows = [
        (_cell(line.resource), quantity(line), line.unit, unit_price(line, plan), money(line.monthly_usd))
        for line in plan.lines
    ]
    rows.append(("**Total**", "", "", "", f"**{money(plan.total_usd)}** of {money(plan.budget_usd)}"))
    return _table(("Name", "Quantity", "Unit", f"Price {plan.currency}", "Monthly"), "lrlrr", rows)


def _changes(plan: Plan) -> str:
    rows = [
        (
            _cell(change.resource),
            money(change.before_usd),
            money(change.after_usd),
            signed(change.added_usd),
            "once" if change.once else "a month",
        )
        for change in plan.changes
    ]
    return _table(("Change", "Before", "After", "Added", ""), "lrrrl", rows)


def _alternatives(plan: Plan) -> str:
    rows = [
        (_cell(other.describe), money(other.total_usd), f"`fds scale {' '.join(other.pairs)} --stack {plan.stack}`")
        for other in plan.alternatives
    ]
    return _table(("Within the budget", "Monthly", "Command"), "lrl", rows)


def _table(head: tuple[str, ...], sides: str, rows: Sequence[tuple[str, ...]]) -> str:
    rule = tuple("---:" if side == "r" else "---" for side in sides)
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *rows))


def _cell(text: str) -> str:
    """Escape text, so that it cannot end a table cell or become markup."""
    return "".join(f"\\{char}" if char in "\\|`*_<>[]" else char for char in text.replace("\n", " "))

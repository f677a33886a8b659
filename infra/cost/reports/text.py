"""Format a plan as plain text, for errors, logs and the output of the engine."""

from __future__ import annotations

from decimal import Decimal

from infra.cost.planning.model import Line, Plan, exact


def money(value: Decimal | None) -> str:
    """Return dollars with two decimal places, or the word `unknown` if the sum is unknown."""
    return "unknown" if value is None else f"${value:,.2f}"


def quantity(line: Line) -> str:
    """Return the quantity of a line without trailing zeros."""
    return format(line.quantity.normalize(), "f")


def unit_price(line: Line, plan: Plan) -> str:
    """Return the unit price of a line, with its currency if that differs from the currency of the plan."""
    price = exact(line.unit_price)
    return price if line.currency == plan.currency else f"{price} {line.currency}"


def headline(plan: Plan) -> str:
    """Return the total and the warnings of a plan in one line."""
    return "; ".join([f"{plan.stack}: {_of_budget(plan)} a month", *plan.warnings])


def _of_budget(plan: Plan) -> str:
    return f"{money(plan.total_usd)} of {money(plan.budget_usd)}"


def table(plan: Plan) -> str:
    """Return one line for each item (quantity, unit, price, dollars per month), and the total against the budget."""
    rows = [
        (line.resource, quantity(line), line.unit, unit_price(line, plan), money(line.monthly_usd))
        for line in plan.lines
    ]
    rows.append(("total a month", "", "", "", _of_budget(plan)))
    head = ("name", "quantity", "unit", f"price {plan.currency}", "monthly")
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column in (0, 2) else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (head, *rows)
    )

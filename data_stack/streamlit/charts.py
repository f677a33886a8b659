"""Charts. Income and spend keep their colours on every page; both can be told apart without colour vision."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt

from data_stack.streamlit.shown import places, text
from data_stack.streamlit.warehouse import Row

INCOME, SPEND, NET = "#14a394", "#e07b39", "#64748b"


def cashflow(rows: Sequence[Row], currency: str) -> alt.LayerChart | alt.FacetChart:
    """Bars of income upwards and spend downwards for each period, and a line of what is left.

    Args:
        rows: `{period (a name that sorts), income, spend, net}`, in the units of `currency`.
    """
    bars = alt.InlineData(
        values=[
            {"period": row["period"], "kind": kind, "amount": sign * float(row[kind.lower()])}
            for row in rows
            for kind, sign in (("Income", 1), ("Spend", -1))
        ]
    )
    line = alt.InlineData(
        values=[{"period": row["period"], "kind": "Net", "amount": float(row["net"])} for row in rows]
    )
    order = alt.X("period:O", title=None, axis=alt.Axis(labelAngle=-45, labelOverlap=True))
    colours = alt.Scale(domain=["Income", "Spend", "Net"], range=[INCOME, SPEND, NET])
    colour = alt.Color("kind:N", scale=colours, legend=alt.Legend(title=None, orient="top"))
    tips = [
        alt.Tooltip("period:O", title="When"),
        alt.Tooltip("kind:N", title="What"),
        alt.Tooltip("amount:Q", title=text(currency), format=_format(currency)),
    ]
    amount = alt.Y("amount:Q", title=text(currency), axis=alt.Axis(format="~s"))
    base = alt.Chart(bars).mark_bar(cornerRadius=2).encode(x=order, y=amount, color=colour, tooltip=tips)
    net = alt.Chart(line).mark_line(point=True, strokeWidth=2).encode(x=order, y=amount, color=colour, tooltip=tips)
    return alt.layer(base, net).properties(height=340)


def ranking(rows: Sequence[Row], label: str, value: str, currency: str, colour: str) -> alt.Chart:
    """Horizontal bars, largest first. `label` and `value` are keys of the rows."""
    bars = alt.InlineData(values=[{"label": text(row[label]), "amount": float(row[value])} for row in rows])
    chart: alt.Chart = (
        alt.Chart(bars)
        .mark_bar(cornerRadius=2, color=colour)
        .encode(
            x=alt.X("amount:Q", title=text(currency), axis=alt.Axis(format="~s")),
            y=alt.Y("label:N", title=None, sort="-x", axis=alt.Axis(labelLimit=180, labelOverlap=False)),
            tooltip=[
                alt.Tooltip("label:N", title=" "),
                alt.Tooltip("amount:Q", title=text(currency), format=_format(currency)),
            ],
        )
        .properties(height=70 + 28 * len(rows))
    )
    return chart


def _format(currency: str) -> str:
    return f",.{places(currency)}f"

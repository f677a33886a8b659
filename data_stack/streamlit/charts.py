"""Draw charts. Income and spend have the same colours on every page, and are distinguishable without colour vision."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt

from data_stack.streamlit.formatting import decimal_places, text
from data_stack.streamlit.warehouse import Row

INCOME, SPEND, NET = "#14a394", "#e07b39", "#64748b"


def cashflow(rows: Sequence[Row], currency: str) -> alt.LayerChart | alt.FacetChart:
    """Return bars of income (up) and spend (down) for each period, and a line of the net amount.

    Args:
        rows: `{period, income, spend, net}`; periods sort as text, amounts are in units of `currency`.
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
    """Return horizontal bars, largest first.

    Args:
        label, value: keys of the rows.
    """
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


def groups(rows: Sequence[Row], title: str) -> alt.Chart:
    """Return bars of groups, with one colour for each value of `apart` if the rows have it.

    Args:
        rows: `{label, value}` and perhaps `apart`; groups without a value are left out.
    """
    apart = bool(rows) and "apart" in rows[0]
    bars = [
        {"label": text(row["label"]) or "–", "value": float(row["value"]), "apart": text(row.get("apart")) or "–"}
        for row in rows
        if row["value"] is not None
    ]
    tips = [alt.Tooltip("label:N", title=" "), alt.Tooltip("value:Q", title=text(title), format=",")]
    chart: alt.Chart = (
        alt.Chart(alt.InlineData(values=bars))
        .mark_bar(cornerRadius=2, color=INCOME)
        .encode(
            x=alt.X("value:Q", title=text(title), axis=alt.Axis(format="~s")),
            y=alt.Y("label:N", title=None, sort=None, axis=alt.Axis(labelLimit=180, labelOverlap=False)),
            tooltip=[*tips, alt.Tooltip("apart:N", title=" ")] if apart else tips,
        )
        .properties(height=70 + 24 * max(1, len({bar["label"] for bar in bars})))
    )
    return chart.encode(color=alt.Color("apart:N", legend=alt.Legend(title=None, orient="top"))) if apart else chart


def _format(currency: str) -> str:
    return f",.{decimal_places(currency)}f"

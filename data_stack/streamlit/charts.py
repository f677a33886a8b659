"""Draw charts. Income and spend have the same colours on every page, and can be told apart without colour vision."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt

from data_stack.streamlit.formatting import decimal_places, text
from data_stack.streamlit.warehouse import Row

INCOME, SPEND, NET = "#0f9588", "#cf6a28", "#7a8699"
RESULTS = {"Failed": "#d64550", "Warned": SPEND, "Skipped": NET, "Passed": INCOME}
"""Colour by result of a check, with a contrast of at least 3:1 against the backgrounds of the light and dark theme."""

_AXIS = alt.Axis(
    labelExpr="abs(datum.value) >= 1e9 ? format(datum.value / 1e9, ',~r') + ' bn'"
    " : abs(datum.value) >= 1e6 ? format(datum.value / 1e6, ',~r') + ' M'"
    " : abs(datum.value) >= 1e3 ? format(datum.value / 1e3, ',~r') + ' K'"
    " : format(datum.value, ',~r')"
)
"""Axis with labels such as `2 bn`. Vega's own format would use the SI prefixes and write `2G`."""

_RUNS = alt.Axis(labelExpr="slice(datum.label, 5, 16)", labelAngle=-45, labelOverlap=True)
"""Axis of the runs' start times. The label of `2026-03-04 05:06:07 UTC` is `03-04 05:06`; the tooltip has all of it."""


def cashflow(rows: Sequence[Row], currency: str) -> alt.LayerChart | alt.FacetChart:
    """Return a chart with bars of income (up) and spend (down) for each period, and a line of the net amount.

    Args:
        rows: `{period, income, spend, net}`. The alphabetical order of the periods must be their order in time. Amounts
            are in units of `currency`.
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
    amount = alt.Y("amount:Q", title=text(currency), axis=_AXIS)
    base = alt.Chart(bars).mark_bar(cornerRadius=2).encode(x=order, y=amount, color=colour, tooltip=tips)
    net = alt.Chart(line).mark_line(point=True, strokeWidth=2).encode(x=order, y=amount, color=colour, tooltip=tips)
    return alt.layer(base, net).properties(height=340)


def ranking(rows: Sequence[Row], label: str, value: str, currency: str, colour: str) -> alt.Chart:
    """Return a chart with one horizontal bar for each row, the longest first.

    Args:
        label, value: the keys under which each row has the name and the length of its bar.
    """
    bars = alt.InlineData(values=[{"label": text(row[label]), "amount": float(row[value])} for row in rows])
    chart: alt.Chart = (
        alt.Chart(bars)
        .mark_bar(cornerRadius=2, color=colour)
        .encode(
            x=alt.X("amount:Q", title=text(currency), axis=_AXIS),
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
    """Return a chart with one bar for each label. Rows with the same label are parts of one bar, coloured by `apart`.

    Args:
        rows: `{label, value}` and perhaps `apart`; rows whose value is None are left out.
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
            x=alt.X("value:Q", title=text(title), axis=_AXIS),
            y=alt.Y("label:N", title=None, sort=None, axis=alt.Axis(labelLimit=180, labelOverlap=False)),
            tooltip=[*tips, alt.Tooltip("apart:N", title=" ")] if apart else tips,
        )
        .properties(height=70 + 24 * max(1, len({bar["label"] for bar in bars})))
    )
    return chart.encode(color=alt.Color("apart:N", legend=alt.Legend(title=None, orient="top"))) if apart else chart


def checks(rows: Sequence[Row], title: str) -> alt.Chart:
    """Return a chart with one stacked bar for each run, and one colour for each result of the checks.

    Args:
        rows: `{run, result, value}`; `run` is the start of the run as text, `result` is a key of `RESULTS`.
        title: what `value` counts.
    """
    bars = alt.InlineData(values=[{**row, "value": float(row["value"])} for row in rows])
    colours = alt.Scale(domain=list(RESULTS), range=list(RESULTS.values()))
    chart: alt.Chart = (
        alt.Chart(bars)
        .mark_bar(cornerRadius=2)
        .encode(
            x=alt.X("run:O", title=None, axis=_RUNS),
            y=alt.Y("value:Q", title=title, axis=_AXIS),
            color=alt.Color("result:N", scale=colours, legend=alt.Legend(title=None, orient="top")),
            tooltip=[alt.Tooltip("run:O", title="Run"), "result:N", alt.Tooltip("value:Q", title=title, format=",")],
        )
        .properties(height=320)
    )
    return chart


def shares(rows: Sequence[Row]) -> alt.Chart:
    """Return a chart with one line for each stream: its share of quarantined rows in each run.

    Args:
        rows: `{run, stream, share}`; `run` is the start of the run as text, `share` is from 0 to 1.
    """
    points = [{"run": row["run"], "stream": text(row["stream"]), "share": row["share"]} for row in rows]
    chart: alt.Chart = (
        alt.Chart(alt.InlineData(values=points))
        .mark_line(point=True, strokeWidth=2)
        .encode(
            x=alt.X("run:O", title=None, axis=_RUNS),
            y=alt.Y("share:Q", title="Quarantined", axis=alt.Axis(format="~%")),
            color=alt.Color("stream:N", legend=alt.Legend(title=None, orient="top", labelLimit=240, columns=3)),
            tooltip=[
                alt.Tooltip("run:O", title="Run"),
                alt.Tooltip("stream:N", title="Stream"),
                alt.Tooltip("share:Q", title="Quarantined", format=".2%"),
            ],
        )
        .properties(height=320)
    )
    return chart


def _format(currency: str) -> str:
    return f",.{decimal_places(currency)}f"

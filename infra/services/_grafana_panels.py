"""Build panels and queries with the builders of Grafana's SDK, and with defaults that all dashboards share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.runtime import UnknownDataquery
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import common as common_models
from grafana_foundation_sdk.models import dashboard as models

from infra.services._grafana_sources import MARTS_SOURCE, METRICS_SOURCE, SQL_PLUGIN

METRICS = models.DataSourceRef(type_val="prometheus", uid=METRICS_SOURCE)
MARTS = models.DataSourceRef(type_val=SQL_PLUGIN, uid=MARTS_SOURCE)

WIDTH = 24
"""Number of columns of Grafana's grid."""

Meaning = Mapping[int, tuple[str, str]]
"""Text and color to show for each value."""
UP_OR_DOWN: Meaning = {0: ("down", "red"), 1: ("up", "green")}


class Query(Builder[Dataquery]):
    """A query of one data source; `_numbered` sets `ref_id`, which identifies the query in its panel."""

    source: models.DataSourceRef
    ref_id = "A"


class Metric(Query):
    """A PromQL query for the newest value, or for the time range of the dashboard.

    Args:
        legend: name of a series, where `{{label}}` stands for the value of a label.
    """

    source = METRICS

    def __init__(self, expression: str, legend: str = "", *, newest: bool = False) -> None:
        self._query = prometheus.Dataquery().expr(expression).legend_format(legend).datasource(METRICS)
        self._query = self._query.instant() if newest else self._query.range()

    def build(self) -> Dataquery:
        return self._query.ref_id(self.ref_id).build()


class Sql(Query):
    """An SQL query of the database with marts and run records; Grafana's SDK has no type for such a query.

    Args:
        over_time: whether the first column is the time of a point, and each other numeric column a series.
    """

    source = MARTS

    def __init__(self, text: str, *, over_time: bool = False) -> None:
        self._text, self._format = text, "time_series" if over_time else "table"

    def build(self) -> Dataquery:
        return UnknownDataquery(
            {
                "refId": self.ref_id,
                "datasource": MARTS.to_json(),
                "editorMode": "code",
                "format": self._format,
                "rawQuery": True,
                "rawSql": self._text,
            }
        )


def _numbered(queries: Sequence[Query]) -> list[Builder[Dataquery]]:
    """Return the queries with the identifiers A, B, C and so on, which distinguish the queries of a panel."""
    for position, query in enumerate(queries):
        query.ref_id = chr(ord("A") + position)
    return list(queries)


def _mappings(meaning: Meaning) -> list[models.ValueMapping]:
    shown = {str(value): models.ValueMappingResult(text, color) for value, (text, color) in meaning.items()}
    return [models.ValueMap(shown)] if shown else []


def _colors(least: float | None, warning: float | None, critical: float | None) -> dashboard.ThresholdsConfig:
    """Return the colors by value: red below `least`, green, orange from `warning` on, and red from `critical` on."""
    steps = [models.Threshold(None, "green" if least is None else "red")]
    steps += [models.Threshold(least, "green")] if least is not None else []
    steps += [models.Threshold(warning, "orange")] if warning is not None else []
    steps += [models.Threshold(critical, "red")] if critical is not None else []
    return dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps)


def figures(
    title: str,
    *queries: Query,
    unit: str = "short",
    description: str = "",
    width: int = 4,
    meaning: Meaning | None = None,
    least: float | None = None,
    warning: float | None = None,
    critical: float | None = None,
) -> stat.Panel:
    """Return a panel with the newest value of each series, in Grafana's `unit`.

    `_colors` explains `least`, `warning` and `critical`.
    """
    return (
        stat.Panel()
        .title(title)
        .description(description)
        .datasource(queries[0].source)
        .targets(_numbered(queries))
        .unit(unit)
        .mappings(_mappings(meaning or {}))
        .thresholds(_colors(least, warning, critical))
        .color_mode(common_models.BigValueColorMode.VALUE)
        .graph_mode(common_models.BigValueGraphMode.NONE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .span(width)
        .height(4)
    )


def chart(
    title: str,
    *queries: Query,
    unit: str = "short",
    description: str = "",
    width: int = WIDTH // 2,
    stacked: bool = False,
    bars: bool = False,
    most: float | None = None,
) -> timeseries.Panel:
    """Return a panel with the series over time, in Grafana's `unit`; the axis includes at least 0 and `most`."""
    panel = (
        timeseries.Panel()
        .title(title)
        .description(description)
        .datasource(queries[0].source)
        .targets(_numbered(queries))
        .unit(unit)
        .axis_soft_min(0)
        .draw_style(common_models.GraphDrawStyle.BARS if bars else common_models.GraphDrawStyle.LINE)
        .fill_opacity(60 if stacked or bars else 10)
        .tooltip(common.VizTooltipOptions().mode(common_models.TooltipDisplayMode.MULTI))
        .span(width)
        .height(8)
    )
    if most is not None:
        panel = panel.axis_soft_max(most)
    if stacked:
        panel = panel.stacking(common.StackingConfig().mode(common_models.StackingMode.NORMAL).group("A"))
    return panel


def timeline(title: str, *queries: Query, meaning: Meaning) -> statetimeline.Panel:
    """Return a panel with one horizontal bar for each series, whose color at each time shows the value at that time."""
    return (
        statetimeline.Panel()
        .title(title)
        .datasource(queries[0].source)
        .targets(_numbered(queries))
        .mappings(_mappings(meaning))
        .show_value(common_models.VisibilityMode.NEVER)
        .merge_values(True)
        .fill_opacity(70)
        .span(WIDTH)
        .height(8)
    )


def rows(
    title: str,
    query: Sql,
    *,
    description: str = "",
    width: int = WIDTH,
    units: Mapping[str, str] | None = None,
) -> table.Panel:
    """Return a panel with the rows of an SQL query; `units` maps names of columns to Grafana's units."""
    panel = (
        table.Panel()
        .title(title)
        .description(description)
        .datasource(query.source)
        .targets(_numbered([query]))
        .align(common_models.FieldTextAlignment.AUTO)
        .span(width)
        .height(8)
    )
    for column, unit in (units or {}).items():
        panel = panel.override_by_name(column, [models.DynamicConfigValue("unit", unit)])
    return panel

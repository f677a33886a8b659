"""Define the starter content: cards (Metabase's name for saved questions) and the layout of one dashboard."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stack_runtime.pipeline.marts import SCHEMA, quoted

DISPLAYS = ("area", "bar", "line", "pie", "row", "scalar", "table")
COLUMNS = 24
"""Width of a dashboard, in columns of Metabase's grid."""
SHOWN_ROWS = 2000
"""Metabase shows at most this many rows of the result of a query."""

# The query lists the tables each time the card is opened, so it stays correct when marts are added or removed.
_ROWS_SQL = f"""SELECT table_name AS mart, (xpath('/row/n/text()', query_to_xml(
    format('SELECT count(*) AS n FROM %I.%I', table_schema, table_name), false, true, '')))[1]::text::bigint AS rows
FROM information_schema.tables WHERE table_schema = '{SCHEMA}' ORDER BY mart"""


@dataclass(frozen=True)
class Card:
    """A card to create in Metabase.

    Args:
        key: identifies the card in the `Ledger`.
        display: one of `DISPLAYS`.
        x: columns by which the chart is grouped.
        y: columns with the values that the chart shows.
    """

    key: str
    name: str
    description: str
    sql: str
    display: str = "table"
    x: tuple[str, ...] = ()
    y: tuple[str, ...] = ()

    @property
    def settings(self) -> Mapping[str, Any]:
        """Return the card's `visualization_settings` for Metabase."""
        return {"graph.dimensions": list(self.x), "graph.metrics": list(self.y)} if self.x and self.y else {}

    @property
    def size(self) -> tuple[int, int]:
        """Return width and height on the dashboard, in cells of Metabase's grid."""
        return (COLUMNS, 8) if self.display == "table" else (COLUMNS // 2, 7)


def cards_of(marts: Sequence[str], charts: Sequence[Card]) -> list[Card]:
    """Return the cards of a project: `charts`, one chart with the row counts of all marts, and one table per mart."""
    rows = Card(
        "rows", "Rows in each mart", "The number of rows of every mart.", _ROWS_SQL, "bar", ("mart",), ("rows",)
    )
    tables = [
        Card(
            f"table {mart}",
            mart,
            f"The first {SHOWN_ROWS:,} rows of the mart.",
            f"SELECT * FROM {quoted(SCHEMA)}.{quoted(mart)} LIMIT {SHOWN_ROWS}",
        )
        for mart in marts
    ]
    return [*charts, rows, *tables]


def charts_of(manifest: Path, marts: Collection[str]) -> tuple[list[Card], list[str]]:
    """Return the charts that models declare, and a message for each invalid declaration.

    A model declares charts as `meta: {metabase: [{name, display, sql, x, y}]}`.

    Args:
        manifest: dbt's `manifest.json` of the last run; if it is missing or invalid, no charts are returned.
        marts: names of the published marts; charts that other models declare are left out.
    """
    try:
        nodes = json.loads(manifest.read_text(encoding="utf-8"))["nodes"].values()
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return [], []
    cards: list[Card] = []
    problems: list[str] = []
    for node in sorted(nodes, key=lambda node: str(node.get("name"))):
        if node.get("schema") == SCHEMA and node.get("alias") in marts:
            for card in _declared(str(node["alias"]), (node.get("config") or {}).get("meta") or {}):
                (cards if isinstance(card, Card) else problems).append(card)  # type: ignore[arg-type]
    return cards, problems


def _declared(mart: str, meta: Mapping[str, Any]) -> Iterator[Card | str]:
    declared = meta.get("metabase", [])
    if not isinstance(declared, list):
        yield f"model {mart}: meta.metabase is not a list of charts"
        return
    for number, chart in enumerate(declared, 1):
        problem = _problem(chart)
        if problem:
            yield f"model {mart}: chart {number} of meta.metabase {problem}"
            continue
        x, y = tuple(chart.get("x", ())), tuple(chart.get("y", ()))
        description = str(chart.get("description", f"From the mart {mart}."))
        yield Card(f"chart {mart} {chart['name']}", chart["name"], description, chart["sql"], chart["display"], x, y)


def _problem(chart: Any) -> str:
    """Return what is wrong with a declared chart; empty if it is valid."""
    if not isinstance(chart, dict):
        return "is not a mapping"
    for key in ("name", "sql"):
        if not isinstance(chart.get(key), str) or not chart[key].strip():
            return f"has no {key}"
    if chart.get("display") not in DISPLAYS:
        return f"needs a display, one of {', '.join(DISPLAYS)}"
    for key in ("x", "y"):
        columns = chart.get(key, [])
        if not isinstance(columns, list) or not all(isinstance(column, str) for column in columns):
            return f"has an invalid {key}, which must be a list of columns"
    return ""


def layout(cards: Sequence[tuple[int, Card]]) -> list[Mapping[str, Any]]:
    """Return Metabase's `dashcards`, which place the cards on the dashboard row by row, from left to right.

    Args:
        cards: each card with its id in Metabase.
    """
    found: list[Mapping[str, Any]] = []
    row = column = 0
    height = 0
    for number, (card_id, card) in enumerate(cards, 1):
        width, own_height = card.size
        if column + width > COLUMNS:
            row, column, height = row + height, 0, 0
        found.append(
            {
                "id": -number,  # a negative id tells Metabase to create the dashcard
                "card_id": card_id,
                "row": row,
                "col": column,
                "size_x": width,
                "size_y": own_height,
                "parameter_mappings": [],
                "visualization_settings": {},
            }
        )
        column, height = column + width, max(height, own_height)
    return found

"""How values appear. Whatever came from a file is hostile: it is shown as text, never as markup or as a formula."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import streamlit as st

from data_stack.streamlit.warehouse import ROW_CAP, Row

_NO_MINOR_UNIT = {"CLP", "ISK", "JPY", "KRW", "PYG", "UGX", "VND", "VUV", "XAF", "XOF", "XPF"}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]+")
_MARKUP = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:])")
_LINK = re.compile(r":(?=//)|www(?=\.)|@", re.IGNORECASE)
_JOINER = "\u2060"
"""Invisible; what stands on both sides of it is no address."""
_LONGEST = 300


def text(value: object) -> str:
    """`value` for a cell of a table, on one line.

    Tables can be saved as CSV, and a spreadsheet runs a cell that begins like a formula: it gets an apostrophe.
    """
    line = _CONTROL.sub(" ", "" if value is None else str(value))
    short = line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"
    is_formula = isinstance(value, str) and short.lstrip()[:1] in ("=", "+", "-", "@")
    return f"'{short}" if is_formula else short


def plain(value: object) -> str:
    """`value` for a place that reads Markdown, such as a label.

    Markdown makes links of bare addresses, whatever is escaped, so these are broken up.
    """
    line = _LINK.sub(lambda found: found[0] + _JOINER, _CONTROL.sub(" ", str(value))[:_LONGEST])
    return _MARKUP.sub(r"\\\1", line)


def sentence(value: object) -> str:
    """A message of ours as `plain` text that begins with a capital and ends with a full stop."""
    said = str(value).strip().rstrip(".")
    return plain(said[:1].upper() + said[1:] + ".")


def money(amount: Decimal, currency: str) -> str:
    """With separators and the places that the currency has."""
    return f"{amount:,.{places(currency)}f}"


def number(currency: str) -> str:
    """The same for a column of a table."""
    return f"%,.{places(currency)}f"


def places(currency: str) -> int:
    """How many decimal places amounts of the currency have."""
    return 0 if currency in _NO_MINOR_UNIT else 2


def moment(value: datetime | None) -> str:
    """To the second, in UTC."""
    return f"{value:%Y-%m-%d %H:%M:%S} UTC" if value else "–"


def name(value: str) -> str:
    """`transaction_id_is_unique` as a sentence."""
    return text(value.replace("_", " ").capitalize())


def table(
    rows: Iterable[Row], columns: Mapping[str, str], formats: Mapping[str, str] | None = None, of: int | None = None
) -> None:
    """A table with `columns` (key of the row to its title), text made safe, and a word on what was left out.

    Args:
        formats: number formats by the key of the row; these columns stay numbers, so that they sort.
        of: how many rows there are in all.
    """
    numbers = formats or {}
    all_rows = list(rows)
    shown = all_rows[:ROW_CAP]
    st.dataframe(
        {key: [_cell(row[key], float if key in numbers else text) for row in shown] for key in columns},
        hide_index=True,
        width="stretch",
        column_config={
            key: (
                st.column_config.NumberColumn(title, format=numbers[key])
                if key in numbers
                else st.column_config.TextColumn(title)
            )
            for key, title in columns.items()
        },
    )
    total = max(of or 0, len(all_rows))
    if total > len(shown):
        st.caption(f"The first {len(shown):,} of {total:,} rows.")


def _cell(value: Any, kind: Callable[[Any], Any]) -> Any:
    return None if value is None else kind(value)

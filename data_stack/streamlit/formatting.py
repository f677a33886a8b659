"""Format values for display. Values from files may be hostile: they are shown as text, never as markup or formula."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import streamlit as st
from babel.numbers import get_currency_precision, is_currency

from data_stack.streamlit.warehouse import ROW_CAP, Row

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]+")
_MARKUP = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:])")
_LINK = re.compile(r":(?=//)|www(?=\.)|@", re.IGNORECASE)
_JOINER = "\u2060"
"""An invisible character. `plain` inserts it into web and e-mail addresses, so that they do not become links."""
_MAX_LENGTH = 300
_UNLISTED_PLACES = 8
_WRAPPED_ROW = 84
"""Height in pixels of a row with wrapped text; it has room for four lines."""


def text(value: object) -> str:
    """Return `value` as text on one line, cut to `_MAX_LENGTH` characters, for a cell of a table.

    Tables can be saved as CSV, and a spreadsheet executes a cell that begins like a formula. So a string that
    begins in this way gets an apostrophe in front.
    """
    words = format(value, "f") if isinstance(value, Decimal) else "" if value is None else str(value)
    line = _CONTROL.sub(" ", words)
    short = line if len(line) <= _MAX_LENGTH else f"{line[:_MAX_LENGTH]}…"
    is_formula = isinstance(value, str) and short.lstrip()[:1] in ("=", "+", "-", "@")
    return f"'{short}" if is_formula else short


def plain(value: object) -> str:
    """Return `value` escaped for Markdown, for example for a label.

    Markdown turns a bare address into a link even if it is escaped, so `_JOINER` is inserted into each address.
    """
    line = _LINK.sub(lambda found: found[0] + _JOINER, _CONTROL.sub(" ", str(value))[:_MAX_LENGTH])
    return _MARKUP.sub(r"\\\1", line)


def sentence(value: object) -> str:
    """Return a message as `plain` text that begins with a capital and ends with a full stop."""
    message = str(value).strip().rstrip(".")
    return plain(message[:1].upper() + message[1:] + ".")


def money(amount: Decimal, currency: str) -> str:
    """Return an amount with thousands separators and the decimal places of its currency.

    CLDR does not list crypto currencies, whose small amounts would look like zero. So an amount in a currency that is
    not listed keeps up to `_UNLISTED_PLACES` places.
    """
    if is_currency(currency):
        return f"{amount:,.{decimal_places(currency)}f}"
    whole, _, places = f"{amount:,.{_UNLISTED_PLACES}f}".partition(".")
    return f"{whole}.{places.rstrip('0'):0<2}"


def number_format(currency: str) -> str:
    """Return the format of a table's column for amounts in `currency`, such as `%,.2f`, or `plain` for all places."""
    return f"%,.{decimal_places(currency)}f" if is_currency(currency) else "plain"


def decimal_places(currency: str) -> int:
    """Return the number of decimal places that Unicode's CLDR lists for the currency; 2 if it lists none."""
    return get_currency_precision(currency)


def timestamp(value: datetime | None) -> str:
    """Return a UTC time as text, to the second; a dash for None."""
    return f"{value:%Y-%m-%d %H:%M:%S} UTC" if value else "–"


def name(value: str) -> str:
    """Return an identifier as words: `transaction_id_is_unique` becomes `Transaction id is unique`."""
    return text(value.replace("_", " ").capitalize())


def table(
    rows: Iterable[Row],
    columns: Mapping[str, str],
    formats: Mapping[str, str] | None = None,
    total: int | None = None,
    widths: Mapping[str, int] | None = None,
) -> None:
    """Show a table of at most `ROW_CAP` rows, and a caption if rows are left out. `text` makes the cells safe.

    Args:
        columns: titles of the shown columns, by key of the row.
        formats: number formats by key of the row; these columns stay numbers, so that they sort as numbers.
        total: number of all rows, if `rows` has only a part of them.
        widths: widths in pixels by key of the row; long text is then wrapped.
    """
    numbers, fixed = formats or {}, widths or {}
    all_rows = list(rows)
    shown = all_rows[:ROW_CAP]
    st.dataframe(
        {key: [_cell(row[key], float if key in numbers else text) for row in shown] for key in columns},
        hide_index=True,
        width="stretch",
        row_height=_WRAPPED_ROW if fixed else None,
        column_config={
            key: (
                st.column_config.NumberColumn(title, format=numbers[key], width=fixed.get(key))
                if key in numbers
                else st.column_config.TextColumn(title, width=fixed.get(key))
            )
            for key, title in columns.items()
        },
    )
    total = max(total or 0, len(all_rows))
    if total > len(shown):
        st.caption(f"The first {len(shown):,} of {total:,} rows.")


def _cell(value: Any, kind: Callable[[Any], Any]) -> Any:
    return None if value is None else kind(value)

"""Explore any mart: choose columns, filter and sort rows, draw a chart, show the rows by page, and save them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import streamlit as st

from data_stack.streamlit import charts, downloads, formatting, marts
from data_stack.streamlit.marts import PAGE_ROWS, Column, Filter, Selection
from data_stack.streamlit.warehouse import Version

_FIRST_COLUMNS = 12
_CURRENCY = "currency"
"""Name of the column by which a chart separates sums: rows with different values of this column are never added up."""
_NO_SORTING = "–"
_ALL_DAYS = (date(1, 1, 1), date(9999, 12, 31))


def show(published: Version) -> None:
    """Show the page."""
    found = marts.names(published)
    if not found:
        st.info("The published data has no marts. Add models in the folder `marts` of the dbt project.")
        return
    mart = st.selectbox("Mart", found, format_func=formatting.text)
    columns = marts.columns(published, mart)
    by_name = {column.name: column for column in columns}
    chosen = _columns(mart, by_name)
    filters = _filters(mart, by_name)
    order, descending = _order(mart, by_name)
    selection = Selection(mart, chosen, filters, order, descending)
    count = selection.count(published)
    _chart(published, selection, columns)
    _page(published, selection, count)
    downloads.buttons(selection, count)


def _columns(mart: str, by_name: dict[str, Column]) -> list[Column]:
    default = list(by_name)[:_FIRST_COLUMNS]
    chosen = st.multiselect("Columns", by_name, default, key=f"columns {mart}", format_func=formatting.text)
    return [by_name[name] for name in chosen or default]


def _filters(mart: str, by_name: dict[str, Column]) -> list[Filter]:
    chosen = st.multiselect("Filter by", by_name, key=f"filters {mart}", format_func=formatting.text)
    return [_filter(mart, by_name[name]) for name in chosen]


def _filter(mart: str, column: Column) -> Filter:
    key, name = f"filter {mart} {column.name}", formatting.plain(column.name)
    if column.kind == "boolean":
        answer = st.segmented_control(name, ["true", "false"], key=key)
        return Filter(column, boolean=None if answer is None else answer == "true")
    if column.kind == "text":
        return Filter(column, text=st.text_input(f"{name} contains", key=key, max_chars=200))
    left, right = st.columns(2)
    if column.kind == "day":
        days = [
            place.date_input(f"{name} {end}", None, *_ALL_DAYS, key=f"{key} {end}", format="YYYY-MM-DD")
            for place, end in ((left, "from"), (right, "to"))
        ]
        return Filter(column, least=days[0], most=days[1])
    least = _number(left.text_input(f"{name} from", key=f"{key} from", max_chars=40))
    most = _number(right.text_input(f"{name} to", key=f"{key} to", max_chars=40))
    return Filter(column, least=least, most=most)


def _number(text: str) -> Decimal | None:
    """Return the entered number, or None if nothing was entered. For other text, show a warning and return None."""
    if not text.strip():
        return None
    try:
        found = Decimal(text.strip())
    except ArithmeticError:
        found = Decimal("NaN")
    if found.is_finite():
        return found
    st.warning(f"{formatting.plain(text)} is not a number; write it like 1234.56.")
    return None


def _order(mart: str, by_name: dict[str, Column]) -> tuple[Column | None, bool]:
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    name = left.selectbox("Sort by", [_NO_SORTING, *by_name], key=f"order {mart}", format_func=formatting.text)
    descending = right.toggle("Descending", key=f"descending {mart}")
    return by_name.get(name), descending


def _chart(published: Version, selection: Selection, columns: list[Column]) -> None:
    with st.expander("Chart"):
        left, right = st.columns(2)
        groups = [column for column in columns if column.kind != "number"]
        numbers = {column.name: column for column in columns if column.kind == "number"}
        by = left.selectbox("Group by", groups, None, key=f"group {selection.mart}", format_func=_name)
        value = right.selectbox(
            "Value", ["Number of rows", *numbers], key=f"value {selection.mart}", format_func=formatting.text
        )
        if by is None:
            return
        currency = next((column for column in columns if column.name == _CURRENCY and value in numbers), None)
        found = selection.groups(published, by, numbers.get(value), currency)
        st.altair_chart(charts.groups(found, value), width="stretch")
        if by.kind == "day":
            st.caption(f"The latest {len({row['label'] for row in found})} months.")
        elif len(found) == marts.GROUPS:
            st.caption(f"The {marts.GROUPS} largest groups.")


def _name(column: Column) -> str:
    return formatting.text(column.name)


def _page(published: Version, selection: Selection, count: int) -> None:
    pages = max(1, -(-count // PAGE_ROWS))
    number = 1
    if pages > 1:
        number = int(st.number_input(f"Page, of {pages:,}", 1, pages, 1, key=f"page {selection.mart} {count}"))
    found = selection.page(published, number)
    formatting.table(found, {column.name: formatting.text(column.name) for column in selection.columns})
    first = (number - 1) * PAGE_ROWS
    st.caption(
        f"Rows {first + 1:,} to {first + len(found):,} of {count:,}." if found else "No row matches the filters."
    )

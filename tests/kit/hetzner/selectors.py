"""Implement the label selectors, filters, sort order and pages of list requests."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from math import ceil
from typing import Any

from .errors import invalid

Row = dict[str, Any]
Query = Mapping[str, list[str]]
PAGE = 25
LARGEST_PAGE = 50

_SET = re.compile(r"(\S+)\s+(in|notin)\s+\(([^)]*)\)")
_PAIR = re.compile(r"([^\s=!]+)\s*(==|=|!=)\s*(\S*)")
_BARE = re.compile(r"(!?)([^\s=!]+)")


def matcher(selector: str) -> Callable[[Mapping[str, str]], bool]:
    """Return a function that tests labels against a `label_selector`.

    Raises:
        ApiError: `invalid_input` for an invalid selector.
    """
    tests = [_term(term.strip()) for term in re.split(r",(?![^(]*\))", selector)]
    return lambda labels: all(test(labels) for test in tests)


def _term(term: str) -> Callable[[Mapping[str, str]], bool]:
    if found := _SET.fullmatch(term):
        key, word, inner = found.groups()
        values = {value.strip() for value in inner.split(",")}
        return lambda labels: (labels.get(key) in values) == (word == "in")
    if found := _PAIR.fullmatch(term):
        key, sign, value = found.groups()
        return lambda labels: (labels.get(key) == value) == (sign != "!=")
    if found := _BARE.fullmatch(term):
        absent, key = found.groups()
        return lambda labels: (key in labels) != bool(absent)
    raise invalid("label_selector", f"cannot read '{term}'")


def chosen(rows: Iterable[Row], query: Query, fields: Iterable[str]) -> list[Row]:
    """Return the rows that `query` selects, in the order of its parameter `sort`.

    A query selects rows by its `label_selector`, and by its parameters whose names are in `fields`.
    """
    kept = list(rows)
    if selector := query.get("label_selector", [""])[0]:
        test = matcher(selector)
        kept = [row for row in kept if test(row.get("labels", {}))]
    for field in fields:
        if field in query:
            kept = [row for row in kept if str(row.get(field)) in query[field]]
    for order in reversed(query.get("sort", ["id"])):
        field, _, direction = order.partition(":")
        if kept and field not in kept[0]:
            raise invalid("sort", f"cannot sort by '{field}'")
        kept.sort(key=lambda row: row[field], reverse=direction == "desc")
    return kept


def page(rows: list[Row], query: Query) -> tuple[list[Row], Row]:
    """Return the requested page of `rows`, and the object `meta` of the response."""
    number = _positive_int(query, "page", 1)
    size = min(_positive_int(query, "per_page", PAGE), LARGEST_PAGE)
    last = max(1, ceil(len(rows) / size))
    meta = {
        "page": number,
        "per_page": size,
        "previous_page": number - 1 if number > 1 else None,
        "next_page": number + 1 if number < last else None,
        "last_page": last,
        "total_entries": len(rows),
    }
    return rows[(number - 1) * size : number * size], {"pagination": meta}


def _positive_int(query: Query, field: str, default: int) -> int:
    text = query.get(field, [str(default)])[0]
    if not text.isdecimal() or int(text) < 1:
        raise invalid(field, "must be a whole number above 0")
    return int(text)

"""Test the queries of the page "Explore" with hostile names and values, and with ten million rows."""

from __future__ import annotations

import csv
import io
import time
from collections import Counter
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from data_stack.streamlit import downloads, marts
from data_stack.streamlit.marts import Column, Filter, Selection
from data_stack.streamlit.warehouse import Version
from stack_runtime.errors import UsageError
from tests.integration.marts.conftest import published
from tests.kit.timing import slowdown

HOSTILE = 'a"; drop table marts.odd; --'


@pytest.fixture
def odd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Version:
    name = marts.quoted(HOSTILE)
    return published(
        tmp_path,
        monkeypatch,
        f"create table marts.odd ({name} varchar, day date, n decimal(20, 8), paid boolean)",
        "insert into marts.odd values ('=1+1', '2026-01-05', -0.00014884, true),"
        " ('O''Brien %', '2026-02-06', 2, false), (null, null, null, null), (' @cmd', '2026-03-07', 99999999999, true)",
        "create table raw_data_is_not_a_mart (id int)",
    )


def columns(version: Version, mart: str = "odd") -> dict[str, Column]:
    return {column.name: column for column in marts.columns(version, mart)}


def test_marts_are_listed_with_the_name_and_kind_of_each_column(odd: Version) -> None:
    assert marts.names(odd) == ["odd"]
    assert [(column.name, column.kind) for column in marts.columns(odd, "odd")] == [
        (HOSTILE, "text"), ("day", "day"), ("n", "number"), ("paid", "boolean"),
    ]  # fmt: skip
    assert marts.columns(odd, "none") == []


def test_filters_select_the_matching_rows(odd: Version) -> None:
    found = columns(odd)
    cases: list[tuple[Filter, list[object]]] = [
        (Filter(found[HOSTILE], text="o'brien %"), ["O'Brien %"]),
        (Filter(found[HOSTILE], text="' or 1=1 --"), []),
        (Filter(found["day"], least=date(2026, 2, 6)), ["O'Brien %", " @cmd"]),
        (Filter(found["day"], most=date(2026, 1, 5)), ["=1+1"]),
        (Filter(found["n"], least=Decimal("-0.00014884"), most=Decimal("-0.00014884")), ["=1+1"]),
        (Filter(found["paid"], boolean=False), ["O'Brien %"]),
        (Filter(found[HOSTILE], any_of=("O'Brien %", "' or 1=1 --", "=1+1")), ["=1+1", "O'Brien %"]),
        (Filter(found["paid"]), ["=1+1", "O'Brien %", None, " @cmd"]),
    ]
    for one, expected in cases:
        selection = Selection("odd", [found[HOSTILE]], [one])
        assert [row[HOSTILE] for row in selection.page(odd, 1)] == expected
        assert selection.count(odd) == len(expected)


def test_pages_of_a_sorted_mart_together_have_every_row_once_and_in_order(odd: Version) -> None:
    found = columns(odd)
    selection = Selection("odd", [found["n"]], order=found["n"], descending=True)
    pages = [selection.page(odd, number, size=3) for number in (1, 2, 3)]
    values = [row["n"] for page in pages for row in page]
    assert values == [Decimal(99999999999), Decimal(2), Decimal("-0.00014884"), None]


@pytest.mark.parametrize("kind", ["table", "view"])
def test_pages_sorted_by_a_column_with_few_values_together_have_every_row_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    version = published(
        tmp_path, monkeypatch,
        "create table marts.base as select i as id, ['EUR', 'USD', 'CHF'][1 + i % 3] as currency from range(3000) t(i)",
        f"create {kind} marts.ties as from marts.base where id > 0",
    )  # fmt: skip
    found = columns(version, "ties")
    selection = Selection("ties", list(found.values()), order=found["currency"])
    pages = [selection.page(version, number) for number in range(1, 32)]
    assert sorted(row["id"] for page in pages for row in page) == list(range(1, 3000))


def test_downloaded_csv_has_exact_numbers_and_an_apostrophe_before_each_formula(odd: Version) -> None:
    text = downloads.as_csv(Selection("odd", list(columns(odd).values()))).decode()
    header, *body = csv.reader(io.StringIO(text))
    assert header == [HOSTILE, "day", "n", "paid"]
    assert [row[0] for row in body] == ["'=1+1", "O'Brien %", "", "' @cmd"]
    assert [row[2] for row in body] == ["-0.00014884", "2.00000000", "", "99999999999.00000000"]


def _sums_by_currency(version: Version, mart: str, by: str) -> list[dict[str, Any]]:
    """Return the sums of `amount` in the groups of the column `by`, separately for each `currency`."""
    found = columns(version, mart)
    return Selection(mart, []).groups(version, found[by], found["amount"], found["currency"])


def test_sums_are_separate_for_each_currency(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    version = published(
        tmp_path, monkeypatch,
        "create table marts.money as from (values ('fees', 1.5, 'EUR'), ('fees', 2, 'USD'), ('fees', 3, 'EUR'))"
        " t(category, amount, currency)",
    )  # fmt: skip
    groups = _sums_by_currency(version, "money", "category")
    assert [(row["apart"], row["value"]) for row in groups] == [("EUR", Decimal("4.5")), ("USD", Decimal(2))]


def test_chart_has_only_the_latest_months_each_with_one_sum_for_each_currency(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = published(
        tmp_path, monkeypatch,
        "create table marts.long as select date '2020-01-15' + to_months(cast(i // 3 as int)) as day, 1 as amount,"
        " ['CHF', 'EUR', 'USD'][1 + i % 3] as currency from range(300) t(i)",
    )  # fmt: skip
    months = Counter(row["label"] for row in _sums_by_currency(version, "long", "day"))
    assert len(months) == marts.GROUPS and set(months.values()) == {3}
    assert min(months) == "2024-03" and max(months) == "2028-04"


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_each_query_of_ten_million_rows_takes_under_a_cpu_second_or_is_refused_for_its_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = published(
        tmp_path, monkeypatch,
        "create table marts.big as select cast(i as varchar) as id, date '2020-01-01' + cast(i % 2000 as int) as day,"
        " 'C' || (i % 5000) as customer, cast(hash(i) % 1000000 / 100.0 as decimal(18, 2)) as amount,"
        " ['EUR', 'USD'][1 + i % 2] as currency, 'description of ' || i as description from range(10000000) t(i)",
    )  # fmt: skip
    found = columns(version, "big")
    every = list(found.values())
    some = Filter(found["description"], text="999999")
    questions: dict[str, Callable[[], object]] = {
        "first page": lambda: Selection("big", every).page(version, 1),
        "last page": lambda: Selection("big", every).page(version, 100_000),
        "sorted": lambda: Selection("big", every, order=found["amount"], descending=True).page(version, 1),
        "sorted with ties": lambda: Selection("big", every, order=found["currency"]).page(version, 1),
        "filtered": lambda: Selection("big", every, [some]).page(version, 1),
        "count": lambda: Selection("big", every, [some]).count(version),
        "chart": lambda: Selection("big", every).groups(version, found["customer"], None, None),
        "months": lambda: Selection("big", every).groups(version, found["day"], found["amount"], found["currency"]),
    }
    seconds = {}
    for name, ask in questions.items():
        slower, began = slowdown(), time.process_time()
        ask()
        seconds[name] = round((time.process_time() - began) / slower, 2)
    assert max(seconds.values()) < 1, seconds
    with pytest.raises(UsageError, match="more memory than the dashboard has"):
        Selection("big", every).groups(version, found["id"], None, None)

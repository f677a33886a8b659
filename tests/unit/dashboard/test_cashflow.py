"""Test that the first bar of the chart of the page "Cash flow" stands for a whole week or month."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from data_stack.streamlit.views.cashflow import PERIODS, _window

LONG_AGO = date(2020, 1, 1)


@pytest.mark.parametrize("last", [date(2026, 11, 23) + timedelta(days) for days in range(8)])
@pytest.mark.parametrize(("period", "grain"), [("3 months", "week"), ("12 months", "month")])
def test_window_of_the_last_months_begins_with_a_whole_week_or_month(last: date, period: str, grain: str) -> None:
    days = PERIODS[period]
    window = _window({"first_day": LONG_AGO, "last_day": last, "today_or_before": last}, days)
    assert window and days and window.grain == grain and window.last == last
    assert window.first.weekday() == 0 if grain == "week" else window.first.day == 1
    assert timedelta(days - 31) <= last - window.first <= timedelta(days)


@pytest.mark.parametrize(
    ("last", "first"),
    [
        (date(2024, 12, 31), date(2024, 1, 1)),
        (date(2024, 3, 31), date(2023, 4, 1)),
        (date(2024, 2, 29), date(2023, 3, 1)),
        (date(2025, 12, 1), date(2025, 1, 1)),
    ],
)
def test_window_of_twelve_months_has_twelve_months_also_around_29_february(last: date, first: date) -> None:
    window = _window({"first_day": LONG_AGO, "last_day": last, "today_or_before": last}, PERIODS["12 months"])
    assert window and window.first == first


def test_window_does_not_begin_before_the_first_transaction() -> None:
    first, last = date(2026, 11, 4), date(2026, 11, 30)
    window = _window({"first_day": first, "last_day": last, "today_or_before": last}, PERIODS["3 months"])
    assert window and (window.first, window.grain) == (first, "day")

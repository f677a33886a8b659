"""Start the dashboard: `streamlit run data_stack/streamlit/app.py`.

The package's pages read only what pipeline runs and deployments published. Changes go through the agents' server.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from data_stack.streamlit import formatting, marts
from data_stack.streamlit.views import (
    cashflow,
    changes,
    cost,
    customers,
    explore,
    frame,
    models,
    over_time,
    quality,
    quarantine,
    runs,
)  # fmt: skip
from data_stack.streamlit.warehouse import Version, version
from stack_runtime.content import content_dir
from stack_runtime.errors import StackError


def _page(title: str, show: Callable[[Version | None], None]) -> Callable[[], None]:
    """Return a page that calls `show` under its title, and shows an expected failure as one sentence."""

    @wraps(show)
    def page() -> None:
        st.title(title)
        try:
            published = version()
            frame.rerun_when_changed(frame.state())
            show(published)
            if published is not None:
                frame.freshness(published)
        except StackError as error:
            st.error(formatting.sentence(error), icon=":material/error:")

    page.__name__ = title.lower().replace(" ", "_")
    return page


def _published_only(show: Callable[[Version], None]) -> Callable[[Version | None], None]:
    """Return a page that calls `show`, or says that nothing is published yet."""

    def page(published: Version | None) -> None:
        if published is None:
            st.info(
                "Nothing is published yet. `fds run` loads data; this page then updates itself.",
                icon=":material/hourglass_empty:",
            )
        else:
            show(published)

    return page


TRANSACTIONS = ("fact_transactions", "mart_customer_metrics", "mart_daily_cashflow")
"""The marts that the pages of the demo show."""

PAGES = (
    ("Cash flow", ":material/payments:", TRANSACTIONS, _published_only(cashflow.show)),
    ("Customers", ":material/groups:", TRANSACTIONS, _published_only(customers.show)),
    ("Explore", ":material/table_chart:", (), _published_only(explore.show)),
    ("Models", ":material/account_tree:", (), _published_only(lambda _: models.show())),
    ("Data quality", ":material/fact_check:", (), quality.show),
    ("Data quality over time", ":material/trending_up:", (), lambda _: over_time.show()),
    ("Quarantine", ":material/block:", (), lambda _: quarantine.show()),
    ("Runs", ":material/history:", (), lambda _: runs.show()),
    ("Cost", ":material/savings:", (), lambda _: cost.show()),
    ("Changes", ":material/tune:", (), lambda _: changes.show()),
)
"""Title, icon, needed marts and function of each page."""

OWN_PAGES = content_dir() / "dashboards"
"""Folder with the project's own pages, one Streamlit script each; the file name is the title."""

STYLE = """<style>
[data-testid="stMetric"] { max-width: 100%; }
[data-testid="stMetricValue"], [data-testid="stMetricValue"] * {
    overflow: visible; overflow-wrap: anywhere; text-overflow: clip; white-space: normal;
}
</style>"""
"""CSS that wraps long amounts. By default, Streamlit cuts them off, so an amount could look like a smaller amount."""

LOGO = Path(__file__).with_name("logo.svg")


def _missing_marts() -> set[str]:
    """Return the marts of `TRANSACTIONS` that the published file lacks; none if there is no readable published file."""
    try:
        published = version()
        found = set(TRANSACTIONS) if published is None else set(marts.names(published))
    except StackError:
        return set()  # the error is shown by each page
    return set(TRANSACTIONS) - found


def _navigation() -> dict[str, list[StreamlitPage]]:
    missing = _missing_marts()
    shown = [(title, icon, show) for title, icon, needs, show in PAGES if not missing.intersection(needs)]
    pages = [
        st.Page(
            _page(title, show),
            title=title,
            icon=icon,
            url_path=title.lower().replace(" ", "-"),
            default=not index,
        )
        for index, (title, icon, show) in enumerate(shown)
    ]
    own = [st.Page(file, url_path=f"own-{file.stem}") for file in sorted(OWN_PAGES.glob("*.py"))]
    return {"Freelancer data stack": pages} | ({"Your pages": own} if own else {})


st.set_page_config(page_title="Freelancer data stack", page_icon=str(LOGO), layout="wide")
st.logo(str(LOGO), size="large")
st.html(STYLE)
st.navigation(_navigation()).run()

"""Start the dashboard: `streamlit run data_stack/streamlit/app.py`.

It reads only the published DuckDB file and the run records. Changes go through the agents' server.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path

import streamlit as st

from data_stack.streamlit import formatting
from data_stack.streamlit.views import cashflow, changes, customers, frame, quality, runs
from data_stack.streamlit.warehouse import Version, version
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


PAGES = (
    ("Cash flow", ":material/payments:", _published_only(cashflow.show)),
    ("Customers", ":material/groups:", _published_only(customers.show)),
    ("Data quality", ":material/fact_check:", quality.show),
    ("Runs", ":material/history:", lambda _: runs.show()),
    ("Changes", ":material/tune:", lambda _: changes.show()),
)

LOGO = Path(__file__).with_name("logo.svg")

st.set_page_config(page_title="Freelancer data stack", page_icon=str(LOGO), layout="wide")
st.logo(str(LOGO), size="large")
st.navigation(
    {
        "Freelancer data stack": [
            st.Page(
                _page(title, show),
                title=title,
                icon=icon,
                url_path=title.lower().replace(" ", "-"),
                default=not index,
            )
            for index, (title, icon, show) in enumerate(PAGES)
        ]
    }
).run()

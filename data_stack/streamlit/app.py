"""The dashboard: `streamlit run data_stack/streamlit/app.py`.

It only reads the published DuckDB file and the records of runs. Changes go through the agents' server, which decides.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path

import streamlit as st

from data_stack.streamlit import shown
from data_stack.streamlit.views import cashflow, changes, customers, frame, quality, runs
from data_stack.streamlit.warehouse import Version, version
from stack_runtime.errors import StackError


def _page(title: str, show: Callable[[Version | None], None]) -> Callable[[], None]:
    """`show` under its title; an expected failure is one sentence."""

    @wraps(show)
    def page() -> None:
        st.title(title)
        try:
            of = version()
            frame.renew_when_changed(frame.state())
            show(of)
            if of is not None:
                frame.freshness(of)
        except StackError as error:
            st.error(shown.sentence(error), icon=":material/error:")

    page.__name__ = title.lower().replace(" ", "_")
    return page


def _published_only(show: Callable[[Version], None]) -> Callable[[Version | None], None]:
    def page(of: Version | None) -> None:
        if of is None:
            st.info(
                "Nothing is published yet. `fds run` loads data; this page follows by itself.",
                icon=":material/hourglass_empty:",
            )
        else:
            show(of)

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
                _page(title, show), title=title, icon=icon, url_path=title.lower().replace(" ", "-"), default=not at
            )
            for at, (title, icon, show) in enumerate(PAGES)
        ]
    }
).run()

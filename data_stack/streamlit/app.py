"""The dashboard: `streamlit run data_stack/streamlit/app.py`.

It only reads: the published DuckDB file and the records of runs.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

import streamlit as st

from data_stack.streamlit import shown
from data_stack.streamlit.views import cashflow, customers, frame, quality, runs
from data_stack.streamlit.warehouse import Version, version
from stack_runtime.errors import StackError


def _page(title: str, show: Callable[[Version | None], None]) -> Callable[[], None]:
    """`show` under its title; an expected failure is one sentence."""

    @wraps(show)
    def page() -> None:
        st.title(title)
        try:
            of = version()
            frame.renew_when_published(of)
            if of is not None:
                frame.freshness(of)
            show(of)
        except StackError as error:
            st.error(shown.plain(error), icon="🔌")

    page.__name__ = title.lower().replace(" ", "_")
    return page


def _published_only(show: Callable[[Version], None]) -> Callable[[Version | None], None]:
    def page(of: Version | None) -> None:
        if of is None:
            st.info("Nothing is published yet. `fds run` loads data; this page follows by itself.", icon="🌱")
        else:
            show(of)

    return page


PAGES = (
    ("Cash flow", ":material/payments:", _published_only(cashflow.show)),
    ("Customers", ":material/groups:", _published_only(customers.show)),
    ("Data quality", ":material/fact_check:", quality.show),
    ("Runs", ":material/history:", lambda _: runs.show()),
)

st.set_page_config(page_title="Freelancer data stack", page_icon="📊", layout="wide")
st.navigation(
    [
        st.Page(_page(title, show), title=title, icon=icon, url_path=title.lower().replace(" ", "-"), default=not at)
        for at, (title, icon, show) in enumerate(PAGES)
    ]
).run()

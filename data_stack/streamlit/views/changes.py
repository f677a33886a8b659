"""Plan changes from a form or from words, show plan, verdict and history, and apply the changes that a person approves.

The entered token decides what the page can do. Without an entered token, the page can only read and propose.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from data_stack.streamlit import formatting, request_form
from data_stack.streamlit.agents_client import AgentsClient
from data_stack.streamlit.views.frame import figures
from stack_runtime.errors import StackError

_PROPOSAL = "changes_proposal"


def show() -> None:
    """Show the page."""
    token = st.sidebar.text_input("Your token", type="password", help="To approve a change, enter your own token.")
    client = AgentsClient.with_token(token)
    status = client.status()
    _summary(status)
    form, words, history = st.tabs(["Form", "In words", "History"])
    with form:
        _form(client, status["request"], [need["name"] for need in status["plan"]["capacity"]["services"]])
    with words:
        _words(client)
    with history:
        lines = ({**line, "reason": line.get("reason", "")} for line in status["history"])
        titles = {"at": "When (UTC)", "person": "Who", "event": "What", "proposal": "Proposal", "reason": "Reason"}
        formatting.table(lines, titles)
    if _PROPOSAL in st.session_state:
        _decision(client, st.session_state[_PROPOSAL], may_approve=bool(token.strip()))


def _summary(status: dict[str, Any]) -> None:
    plan = status["plan"]
    figures(
        {
            "Stack": formatting.text(status["stack"]),
            "A month": f"${plan['total_usd']} of ${plan['budget_usd']}",
            "Verdict": formatting.name(plan["verdict"]),
        }
    )


def _form(client: AgentsClient, schema: Mapping[str, Any], services: list[str]) -> None:
    """Show a form with one field for each property of the request's schema, and plan the entered values."""
    with st.form("change"):
        columns = st.columns(3)
        service = columns[0].selectbox("Service", services)
        entered = {
            name: request_form.entry(columns[(number + 1) % 3], described, service)
            for number, (name, described) in enumerate(request_form.ordered(schema))
        }
        if not st.form_submit_button("Plan it"):
            return
    _store(lambda: [client.plan({name: value for name, value in entered.items() if value is not None})])


def _words(client: AgentsClient) -> None:
    with st.form("words"):
        text = st.text_area("What do you want?", max_chars=4000)
        if not st.form_submit_button("Ask"):
            return

    def request() -> list[dict[str, Any]]:
        output = client.ask(text)["output"]
        return output.get("jobs") or [output]

    _store(request)


def _store(request: Callable[[], list[dict[str, Any]]]) -> None:
    """Call `request` and store its result in the session, in place of an earlier one; show an error as one sentence."""
    st.session_state.pop(_PROPOSAL, None)
    try:
        with st.spinner("Planning"):
            st.session_state[_PROPOSAL] = request()
    except StackError as error:
        st.error(formatting.sentence(error), icon=":material/error:")


def _decision(client: AgentsClient, answers: list[dict[str, Any]], *, may_approve: bool) -> None:
    st.subheader("Decision")
    for answer in answers:
        st.write(formatting.plain(answer.get("reason") or answer.get("text") or ""))
        plan = (answer.get("proposal") or answer).get("plan_after")
        if plan:
            titles = {"resource": "For", "quantity": "Quantity", "unit": "Unit", "monthly_usd": "Dollars a month"}
            formatting.table(plan["lines"], titles)
        if "digest" not in answer or answer.get("decision") == "refuse":
            continue
        if not may_approve:
            st.caption("To approve this, enter a token with the scope approve.")
        elif st.button("Approve and apply", key=answer["id"]):
            _apply(client, answer)


def _apply(client: AgentsClient, answer: dict[str, Any]) -> None:
    try:
        with st.spinner("Applying the change; this takes as long as a deployment"):
            outcome = client.approve_and_apply(answer["id"], answer["digest"])
    except StackError as error:
        st.error(formatting.sentence(error), icon=":material/error:")
        return
    st.session_state.pop(_PROPOSAL, None)
    st.success(formatting.sentence(f"{outcome['status']} {'; '.join(outcome['problems'])}"))

"""Changes of the stack's size: proposed in a form or in words, with plan, verdict and history.

The page can do what the token can that one enters: without one it looks and proposes.
"""

from __future__ import annotations

from typing import Any

import streamlit as st

from data_stack.streamlit import shown
from data_stack.streamlit.office import Office
from stack_runtime.errors import StackError

_AS_IT_IS = "as it is"
_PROPOSAL = "changes_proposal"


def show() -> None:
    """The page."""
    token = st.sidebar.text_input("Your token", type="password", help="Approving takes a token of your own.")
    office = Office.of(token)
    status = office.status()
    _standing(status)
    form, words, history = st.tabs(["Form", "In words", "History"])
    with form:
        _form(office, [need["name"] for need in status["plan"]["capacity"]["services"]])
    with words:
        _words(office)
    with history:
        lines = ({**line, "reason": line.get("reason", "")} for line in status["history"])
        titles = {"at": "When (UTC)", "person": "Who", "event": "What", "proposal": "Proposal", "reason": "Reason"}
        shown.table(lines, titles)
    if _PROPOSAL in st.session_state:
        _decision(office, st.session_state[_PROPOSAL], may_approve=bool(token.strip()))


def _standing(status: dict[str, Any]) -> None:
    plan = status["plan"]
    columns = st.columns(3)
    columns[0].metric("Stack", shown.text(status["stack"]), border=True)
    columns[1].metric("A month", f"${plan['total_usd']} of ${plan['budget_usd']}", border=True)
    columns[2].metric("Verdict", shown.name(plan["verdict"]), border=True)


def _form(office: Office, services: list[str]) -> None:
    with st.form("change"):
        reason = st.text_input("Reason", max_chars=500)
        left, middle, right = st.columns(3)
        numbers = {
            "workers": left.number_input("Workers", 1, 64, None),
            "volume_gb": middle.number_input("Data volume in GB", 10, 10_240, None),
            "days": right.number_input("Days, for a temporary change", 1, 92, None),
        }
        texts = {
            "server_type": left.text_input("Server type", max_chars=32),
            "location": middle.text_input("Location", max_chars=32),
        }
        schedule = right.selectbox("Schedule", (_AS_IT_IS, "never", "hourly", "daily", "weekly"))
        backups = left.selectbox("Backups", (_AS_IT_IS, "on", "off"))
        profiles = middle.text_input("Profiles, separated by commas", max_chars=200)
        service = right.selectbox("Service", services)
        sizes = {
            "memory_mb": left.number_input("Memory of the service in MiB", 16, 1_048_576, None),
            "cpu": middle.number_input("Cores of the service", 0.05, 64.0, None),
        }
        if not st.form_submit_button("Plan it"):
            return
    request: dict[str, Any] = {key: value for key, value in numbers.items() if value is not None}
    request |= {key: value.strip() for key, value in texts.items() if value.strip()}
    request |= {key: {service: value} for key, value in sizes.items() if value is not None}
    request |= {} if schedule == _AS_IT_IS else {"schedule": schedule}
    request |= {} if backups == _AS_IT_IS else {"backups": backups == "on"}
    request |= {"profiles": [name.strip() for name in profiles.split(",")]} if profiles.strip() else {}
    _keep(lambda: [office.plan({"reason": reason, **request})])


def _words(office: Office) -> None:
    with st.form("words"):
        text = st.text_area("What do you want?", max_chars=4000)
        if not st.form_submit_button("Ask"):
            return

    def asked() -> list[dict[str, Any]]:
        output = office.ask(text)["output"]
        return output.get("jobs") or [output]

    _keep(asked)


def _keep(ask: Any) -> None:
    """What was answered stays on the page until the next question."""
    st.session_state.pop(_PROPOSAL, None)
    try:
        with st.spinner("Planning"):
            st.session_state[_PROPOSAL] = ask()
    except StackError as error:
        st.error(shown.sentence(error), icon=":material/error:")


def _decision(office: Office, answers: list[dict[str, Any]], *, may_approve: bool) -> None:
    st.subheader("Decision")
    for answer in answers:
        st.write(shown.plain(answer.get("reason") or answer.get("text") or ""))
        plan = (answer.get("proposal") or answer).get("plan_after")
        if plan:
            titles = {"resource": "For", "quantity": "Quantity", "unit": "Unit", "monthly_usd": "Dollars a month"}
            shown.table(plan["lines"], titles)
        if "digest" not in answer or answer.get("decision") == "refuse":
            continue
        if not may_approve:
            st.caption("Somebody with a token for approving can let this pass.")
        elif st.button("Approve and do it", key=answer["id"]):
            _do(office, answer)


def _do(office: Office, answer: dict[str, Any]) -> None:
    try:
        with st.spinner("Doing it; this takes as long as a deployment"):
            done = office.approve_and_apply(answer["id"], answer["digest"])
    except StackError as error:
        st.error(shown.sentence(error), icon=":material/error:")
        return
    st.session_state.pop(_PROPOSAL, None)
    st.success(shown.sentence(f"{done['status']} {'; '.join(done['problems'])}"))

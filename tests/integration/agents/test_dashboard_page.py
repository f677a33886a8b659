"""Test the dashboard's page "Changes" with a real agents' server: the entered token decides what the page may do."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from agents.changes.ledger import Ledger
from infra import stack_file
from tests.integration.agents.conftest import Served


def _page() -> None:
    from data_stack.streamlit.views import changes

    changes.show()


@pytest.fixture
def page(served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """Return the page with the token that a deployed stack has, which permits reading and proposing."""
    file = tmp_path / "agents_token"
    file.write_text(served.tokens["stack"])
    monkeypatch.setenv("FDS_AGENTS_URL", served.url)
    monkeypatch.setenv("FDS_AGENTS_TOKEN_FILE", str(file))
    return AppTest.from_function(_page, default_timeout=60).run()


def _propose(page: AppTest, **numbers: int) -> None:
    _box(page.text_input, "Reason").set_value("more data")
    for label, value in numbers.items():
        _box(page.number_input, label.replace("_", " ")).set_value(value)
    page.button[0].click().run()


def _box(boxes: object, label: str) -> object:
    return next(box for box in boxes if box.label.startswith(label))  # type: ignore[attr-defined]


def _text(page: AppTest) -> str:
    shown = (*page.markdown, *page.caption, *page.error, *page.success)
    return "\n".join(str(item.value).replace("\\", "") for item in shown)


def test_page_with_the_stack_token_proposes_changes_but_cannot_approve_them(page: AppTest, served: Served) -> None:
    assert [metric.value for metric in page.metric][0::2] == ["prod", "Within"]
    _propose(page, Data_volume=50)
    assert "Accepted: volumeGb 10 → 50" in _text(page) and "enter a token with the scope approve" in _text(page)
    assert "Approve and apply" not in [button.label for button in page.button]
    assert not page.exception and not served.env.deployed
    _propose(page, Data_volume=5000)
    assert "Refused" in _text(page) and "over the budget" in _text(page)
    assert "planned: refuse" in list(page.run().dataframe[0].value["event"])


@pytest.mark.parametrize(("who", "deployed"), [("propose", []), ("read", []), ("expired", []), ("all", [50])])
def test_page_applies_a_change_only_with_a_token_that_may_approve(
    page: AppTest, served: Served, who: str, deployed: list[int]
) -> None:
    """The change is proposed before the token is entered. Each token that may not approve leads to an error."""
    _propose(page, Data_volume=50)
    page.sidebar.text_input[0].set_value(served.tokens[who]).run()
    for button in page.button:
        if button.label == "Approve and apply":
            button.click().run()
            break
    if not deployed:
        assert any("token" in str(item.value) for item in (*page.error, *page.exception))
    assert [settings.volume_gb for settings in served.env.deployed] == deployed
    assert stack_file.read(served.env.folder, "prod").volume_gb == (deployed or [10])[0]


def test_change_can_be_approved_after_a_job_that_ran_at_the_first_attempt(page: AppTest, served: Served) -> None:
    page.sidebar.text_input[0].set_value(served.tokens["all"]).run()
    _propose(page, Data_volume=50)

    def approve() -> None:
        (button,) = [button for button in page.button if button.label == "Approve and apply"]
        button.click().run()

    with Ledger(served.env.folder / ".fds").exclusive():
        approve()
    assert "or a job runs" in _text(page) and not page.exception and not served.env.deployed
    approve()
    assert [settings.volume_gb for settings in served.env.deployed] == [50]


def test_question_in_words_is_answered(page: AppTest) -> None:
    page.text_area[0].set_value("hello?")
    page.button[1].click().run()
    assert "hello" in _text(page) and not page.exception


def test_invalid_request_and_unreachable_agents_server_are_shown_as_errors(
    page: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    page.button[0].click().run()
    assert len(page.error) == 1 and "reason" in page.error[0].value
    monkeypatch.setenv("FDS_AGENTS_URL", "http://127.0.0.1:9")
    page.run()
    assert "does not answer" in str(page.exception[0].value)

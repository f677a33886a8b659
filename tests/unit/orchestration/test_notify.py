"""Test the notifications of failed runs with doubles of a webhook, of Slack and of an SMTP server."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from data_stack.airflow import notify
from tests.kit.receivers import MailServer, Webhook, receivers

RUN = "scheduled__2026-11-29T00:00:00+00:00"


@pytest.fixture
def receiving() -> Iterator[tuple[Webhook, MailServer]]:
    with receivers("127.0.0.1") as found:
        yield found


@pytest.fixture
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write the logs of a run: `check` failed twice, then the cleanup task `abandon` ran. Return the log folder."""
    monkeypatch.setenv("AIRFLOW__LOGGING__BASE_LOG_FOLDER", str(tmp_path))
    folder = tmp_path / "dag_id=pipeline" / f"run_id={RUN}"
    texts = {
        ("load_tap-csv", 1): [{"level": "info", "event": "loaded"}],
        ("check", 1): [{"level": "error", "event": "the first try"}],
        ("check", 2): [{"level": "info", "event": f"line {n}"} for n in range(40)]
        + [
            {
                "level": "error",
                "event": "Task failed",
                "error_detail": [{"exc_type": "E", "exc_value": "2 of 29 checks"}],
            }
        ],
        ("abandon", 1): [{"level": "info", "event": "given back"}],
    }
    for age, ((task, attempt), lines) in enumerate(texts.items()):
        file = folder / f"task_id={task}" / f"attempt={attempt}.log"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join(map(json.dumps, lines)) + "\nno JSON\n")
        os.utime(file, (1000 + age, 1000 + age))
    return tmp_path


def _configure(folder: Path, monkeypatch: pytest.MonkeyPatch, **ways: object) -> None:
    file = folder / "notify.json"
    file.write_text(json.dumps({"stack": "prod", **ways}))
    monkeypatch.setattr(notify, "CONFIGURATION", file)


def _context() -> dict[str, Any]:
    return {"dag": SimpleNamespace(dag_id="pipeline"), "run_id": RUN, "reason": "task_failure"}


def _email(mail: MailServer, **changed: object) -> dict[str, object]:
    return {
        "to": "me@example.org", "sender": "a@example.org", "server": "127.0.0.1", "port": mail.port, "user": "",
        "password": "", "require_tls": False, **changed,
    }  # fmt: skip


def test_webhook_gets_the_failed_task_and_its_last_log_lines_and_the_next_command(
    logs: Path, receiving: tuple[Webhook, MailServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    webhook, _ = receiving
    _configure(logs, monkeypatch, webhook_url=webhook.url, slack_url=webhook.slack_url)
    notify.notify_failure(_context())
    (body,) = webhook.received
    assert (body["stack"], body["dag"], body["run"], body["task"]) == ("prod", "pipeline", RUN, "check")
    assert len(body["log"]) == notify.LINES and body["log"][-2] == "error Task failed E: 2 of 29 checks"
    assert body["next"] == "fds open airflow --stack prod" and body["next"] in body["text"]
    assert webhook.slack_received == [{"text": body["text"]}]


def test_mail_is_sent_and_the_secret_webhook_url_is_not_logged_if_the_webhook_fails(
    logs: Path, receiving: tuple[Webhook, MailServer], monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    webhook, mail = receiving
    webhook.status = 500
    _configure(logs, monkeypatch, webhook_url=webhook.url, email=_email(mail))
    notify.notify_failure(_context())
    (message,) = mail.received
    assert message["To"] == "me@example.org" and "2 of 29 checks" in message.as_string()
    assert "webhook_url did not accept" in caplog.text and "secret-path" not in caplog.text


def test_mail_server_without_tls_gets_no_mail_if_tls_is_required(
    logs: Path, receiving: tuple[Webhook, MailServer], monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    _, mail = receiving
    _configure(logs, monkeypatch, email=_email(mail, require_tls=True, user="me", password="a-password"))
    notify.notify_failure(_context())
    assert mail.received == []
    assert "email did not accept" in caplog.text and "a-password" not in caplog.text


def test_notification_without_configured_receivers_raises_no_error(logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notify, "CONFIGURATION", logs / "missing.json")
    notify.notify_failure(_context())


def test_failed_run_without_logs_is_reported(
    tmp_path: Path, receiving: tuple[Webhook, MailServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__LOGGING__BASE_LOG_FOLDER", str(tmp_path))
    webhook, _ = receiving
    _configure(tmp_path, monkeypatch, webhook_url=webhook.url)
    notify.notify_failure(_context())
    assert webhook.received[0]["task"] == "" and webhook.received[0]["log"] == []


@pytest.mark.parametrize("detail", ["text", {"exc_type": "E"}, [None, "text"], 7])
def test_error_detail_of_an_unexpected_type_does_not_prevent_the_notification(
    logs: Path, receiving: tuple[Webhook, MailServer], monkeypatch: pytest.MonkeyPatch, detail: object
) -> None:
    webhook, _ = receiving
    _configure(logs, monkeypatch, webhook_url=webhook.url)
    log = logs / "dag_id=pipeline" / f"run_id={RUN}" / "task_id=check" / "attempt=2.log"
    log.write_text(json.dumps({"level": "error", "event": "mine", "error_detail": detail}))
    os.utime(log, (1002, 1002))
    notify.notify_failure(_context())
    (body,) = webhook.received
    assert body["log"] == ["error mine"]

"""Send notifications of failed runs to a real HTTP server and to a double of an SMTP server."""

from __future__ import annotations

import json
import os
import socketserver
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from data_stack.airflow import notify

RUN = "scheduled__2026-11-29T00:00:00+00:00"


class _Hook(BaseHTTPRequestHandler):
    status = 200
    bodies: list[dict[str, Any]]

    def do_POST(self) -> None:
        self.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


class _Mail(socketserver.StreamRequestHandler):
    """A double of an SMTP server: it accepts one message, and refuses unknown commands."""

    messages: list[str]

    def handle(self) -> None:
        answers = {
            b"EHLO": b"250 double",
            b"MAIL": b"250 ok",
            b"RCPT": b"250 ok",
            b"DATA": b"354 go on",
            b"QUIT": b"221",
        }
        self.wfile.write(b"220 double\r\n")
        while line := self.rfile.readline():
            verb = line[:4].upper()
            self.wfile.write(answers.get(verb, b"502 unknown") + b"\r\n")
            if verb == b"DATA":
                text = b"".join(iter(self.rfile.readline, b".\r\n"))
                self.messages.append(text.decode())
                self.wfile.write(b"250 taken\r\n")


@pytest.fixture
def hook() -> Iterator[tuple[type[_Hook], str]]:
    handler = type("Hook", (_Hook,), {"bodies": []})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield handler, f"http://127.0.0.1:{server.server_port}/secret-path"
        server.shutdown()


@pytest.fixture
def mail() -> Iterator[tuple[type[_Mail], int]]:
    handler = type("Mail", (_Mail,), {"messages": []})
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield handler, server.server_address[1]
        server.shutdown()


@pytest.fixture
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the logs of a run in which `check` failed in its second try, and `abandon` ran after it."""
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


def test_webhook_names_the_task_its_last_lines_and_the_command(
    logs: Path, hook: tuple[type[_Hook], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    handler, url = hook
    _configure(logs, monkeypatch, webhook_url=url)
    notify.notify_failure(_context())
    (body,) = handler.bodies
    assert (body["stack"], body["dag"], body["run"], body["task"]) == ("prod", "pipeline", RUN, "check")
    assert len(body["log"]) == notify.LINES and body["log"][-2] == "error Task failed E: 2 of 29 checks"
    assert body["next"] == "fds open airflow --stack prod" and body["next"] in body["text"]


def test_mail_is_sent_if_the_webhook_refuses_and_no_secret_is_logged(
    logs: Path, hook: tuple[type[_Hook], str], mail: tuple[type[_Mail], int], monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    handler, url = hook
    handler.status = 500
    server, port = mail
    email = {"to": "me@example.org", "from": "a@example.org", "host": "127.0.0.1", "port": port, "user": "",
             "password": ""}  # fmt: skip
    _configure(logs, monkeypatch, webhook_url=url, email=email)
    notify.notify_failure(_context())
    (message,) = server.messages
    assert "To: me@example.org" in message and "2 of 29 checks" in message
    assert "webhook_url was not sent" in caplog.text and "secret-path" not in caplog.text


def test_nothing_is_sent_without_the_setting(logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notify, "CONFIGURATION", logs / "missing.json")
    notify.notify_failure(_context())


def test_run_without_logs_is_reported_too(
    tmp_path: Path, hook: tuple[type[_Hook], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__LOGGING__BASE_LOG_FOLDER", str(tmp_path))
    handler, url = hook
    _configure(tmp_path, monkeypatch, webhook_url=url)
    notify.notify_failure(_context())
    assert handler.bodies[0]["task"] == "" and handler.bodies[0]["log"] == []

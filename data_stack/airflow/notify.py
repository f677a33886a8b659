"""Report a failed or late run to every receiver of the setting `notify`: Slack, a webhook, an e-mail address."""

from __future__ import annotations

import json
import logging
import os
import smtplib
import ssl
from collections.abc import Mapping
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from stack_runtime.text import log_line

CONFIGURATION = Path("/run/fds/notify.json")
"""JSON file `{"stack", "slack_url", "webhook_url", "email"}` with only the receivers that are set. The file is absent
if no receiver is set. `email` has the fields `to`, `sender`, `server`, `port`, `user`, `require_tls` and `password`."""
TLS_PORT = 465
"""SMTP port for implicit TLS: the whole connection is encrypted, without STARTTLS."""
SECONDS = 20
LINES = 20
"""Maximum number of log lines that are sent; they are the last lines of the log."""
LONGEST = 500
"""Maximum number of characters that are sent of each log line."""

log = logging.getLogger(__name__)


def notify_failure(context: Mapping[str, Any]) -> None:
    """Report a failed DAG run. Airflow calls this function in the DAG processor."""
    dag_id, run_id = context["dag"].dag_id, str(context["run_id"])
    task, lines = failed_task(logs_of(dag_id, run_id))
    what = f"DAG {dag_id} failed in {task or 'no task'}: {context.get('reason') or 'a task failed'}"
    notify(what, {"dag": dag_id, "run": run_id, "task": task}, lines)


def notify(what: str, about: Mapping[str, str], lines: list[str]) -> None:
    """Send a message to every receiver. If a receiver does not accept the message, log this and continue.

    Args:
        what: what happened.
        about: fields that say where it happened, such as the DAG.
        lines: log lines to include.
    """
    if not CONFIGURATION.is_file():
        return
    configuration = json.loads(CONFIGURATION.read_text())
    stack = configuration["stack"]
    follow = f"fds open airflow --stack {stack}"
    message = {"stack": stack, "what": what, **about, "log": lines, "next": follow}
    for name, send in (("slack_url", _post_to_slack), ("webhook_url", _post), ("email", _mail)):
        if name in configuration:
            try:
                send(configuration[name], message)
            except (OSError, ValueError, smtplib.SMTPException) as error:
                log.error("the receiver %s did not accept the notification: %s", name, type(error).__name__)


def logs_of(dag_id: str, run_id: str) -> Path:
    """Return the folder that has one folder of logs for each task of a run."""
    return Path(os.environ["AIRFLOW__LOGGING__BASE_LOG_FOLDER"]) / f"dag_id={dag_id}" / f"run_id={run_id}"


def failed_task(folder: Path) -> tuple[str, list[str]]:
    """Return the name of the task whose last attempt logged an error, and the last lines of this log.

    Of several such tasks, return the one whose log ended first; if there is none, return empty values.
    """
    found: list[tuple[float, str, list[str]]] = []
    for task in folder.glob("task_id=*"):
        tries = sorted(task.rglob("attempt=*.log"), key=lambda file: file.stat().st_mtime)
        entries = [_entry(line) for line in tries[-1].read_text(errors="replace").splitlines()] if tries else []
        if any(entry.get("level") == "error" for entry in entries):
            lines = [log_line(entry)[:LONGEST] for entry in entries[-LINES:]]
            found.append((tries[-1].stat().st_mtime, task.name.removeprefix("task_id="), lines))
    return min(found)[1:] if found else ("", [])


def _entry(line: str) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except ValueError:
        return {"event": line}
    return entry if isinstance(entry, dict) else {"event": line}


def _text(message: Mapping[str, Any]) -> str:
    return "\n".join([f"{message['stack']}: {message['what']}", *message["log"], f"next: {message['next']}"])


def _post(url: str, message: Mapping[str, Any]) -> None:
    """Send the message as JSON to a webhook; chat services show its field `text`."""
    _send(url, {"text": _text(message), **message})


def _post_to_slack(url: str, message: Mapping[str, Any]) -> None:
    """Send only the text, because Slack accepts no other field of the message."""
    _send(url, {"text": _text(message)})


def _send(url: str, document: Mapping[str, Any]) -> None:
    body = json.dumps(document).encode()
    request = Request(url, body, {"Content-Type": "application/json"})  # noqa: S310, the URL is the user's own setting
    with urlopen(request, timeout=SECONDS):  # noqa: S310
        pass


def _mail(email: Mapping[str, Any], message: Mapping[str, Any]) -> None:
    mail = EmailMessage()
    mail["From"], mail["To"] = email["sender"], email["to"]
    mail["Subject"] = f"{message['stack']}: {message['what']}".replace("\n", " ").replace("\r", " ")[:200]
    mail.set_content("\n".join([message["what"], "", *message["log"], "", f"next: {message['next']}"]))
    with _connected(email) as server:
        if email["user"]:
            server.login(email["user"], email["password"])
        server.send_message(mail)


def _connected(email: Mapping[str, Any]) -> smtplib.SMTP:
    """Connect to the SMTP server; at `TLS_PORT` or with `require_tls`, use TLS and check the certificate."""
    context = ssl.create_default_context()
    if email["port"] == TLS_PORT:
        return smtplib.SMTP_SSL(email["server"], TLS_PORT, timeout=SECONDS, context=context)
    server = smtplib.SMTP(email["server"], email["port"], timeout=SECONDS)
    if email["require_tls"]:
        server.starttls(context=context)
    return server

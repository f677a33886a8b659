"""Run test doubles that receive notifications: a webhook, Slack's webhook, and an SMTP server without TLS."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import Message
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SLACK_PATH = "/services/a-secret-path"


class Webhook(ThreadingHTTPServer):
    """An HTTP server that answers with `status`, and records posted JSON if `status` is 200.

    At `SLACK_PATH`, it answers a message without text and attachments with 400, and does not record it.
    """

    def __init__(self, address: str) -> None:
        super().__init__((address, 0), _Post)
        self.received: list[dict[str, Any]] = []
        self.slack_received: list[dict[str, Any]] = []
        self.status = 200

    @property
    def url(self) -> str:
        return f"http://{self.server_address[0]!s}:{self.server_address[1]}/a-secret-path"

    @property
    def slack_url(self) -> str:
        return f"http://{self.server_address[0]!s}:{self.server_address[1]}{SLACK_PATH}"

    def slack_messages(self, word: str) -> list[dict[str, Any]]:
        """Return the messages to Slack that contain this word."""
        return [message for message in self.slack_received if word in json.dumps(message)]

    def alerts(self, name: str) -> list[dict[str, Any]]:
        """Return the firing alerts of this name from all requests; an alert in two requests is returned twice."""
        return [
            alert
            for document in self.received
            for alert in document["alerts"]
            if alert["labels"]["alertname"] == name and alert["status"] == "firing"
        ]


class _Post(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Webhook)
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        of_slack = self.path == SLACK_PATH
        status = self.server.status
        if of_slack and not (body.get("text") or body.get("attachments")):
            status = 400
        if status == 200:
            (self.server.slack_received if of_slack else self.server.received).append(body)
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Log nothing."""


class MailServer(socketserver.ThreadingTCPServer):
    """An SMTP server that records mails, and refuses commands in a wrong order."""

    daemon_threads = True

    def __init__(self, address: str) -> None:
        super().__init__((address, 0), _Session)
        self.received: list[Message] = []

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def mails(self, word: str) -> list[Message]:
        """Return the mails with this word in their subject."""
        return [mail for mail in self.received if word in str(mail["Subject"])]


class _Session(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, MailServer)
        self._say("220 test")
        order = iter(("EHLO", "MAIL", "RCPT", "DATA"))
        expected = next(order)
        while line := self.rfile.readline():
            verb = line[:4].decode().upper()
            if verb == "QUIT":
                self._say("221 bye")
                return
            if verb != expected:
                self._say("503 out of order")
                continue
            expected = next(order, "QUIT")
            if verb != "DATA":
                self._say("250 ok")
                continue
            self._say("354 go on")
            self.server.received.append(message_from_bytes(b"".join(self._lines()), policy=default))
            self._say("250 accepted")

    def _lines(self) -> Iterator[bytes]:
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            yield line.removeprefix(b".") if line.startswith(b"..") else line

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


@contextmanager
def receivers(address: str) -> Iterator[tuple[Webhook, MailServer]]:
    """Serve a webhook and a mail server on free ports of `address` inside a `with` block."""
    with Webhook(address) as webhook, MailServer(address) as mail:
        for server in (webhook, mail):
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield webhook, mail
        for server in (webhook, mail):
            server.shutdown()

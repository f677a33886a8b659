"""Test how the module `alerts` reads the alerts of Prometheus, and the metrics and the log of Alertmanager.

Neither program runs here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import docker
import pytest

from infra.operations import alerts
from stack_runtime.docker_exec import Executed
from stack_runtime.errors import UnreachableError

REFUSED = (
    'ts=2026-11-29T20:05:18Z level=error component=dispatcher msg="Notify for alerts failed" num_alerts=1 '
    'err="all/webhook[0]: notify retry canceled due to unrecoverable error after 1 attempts: '
    'unexpected status code 403: https://me:pass@hooks.example.org:8443/services/a-token?key=b: \\"no\\""\n'
)
RETRIED = (
    "ts=2026-11-29T20:05:19Z level=warn component=dispatcher receiver=all integration=email[0] "
    'msg="Notify attempt failed, will retry later" attempts=1 err="establish connection to server: i/o timeout"\n'
)


@dataclass
class FakeContainer:
    """Double of a container: its log is fixed, and every command in it returns the same answer."""

    log: str = ""
    answer: bytes = b""
    code: int = 0
    labels: dict[str, str] = field(default_factory=lambda: {"fds.service": "prometheus"})

    def logs(self, **_: Any) -> bytes:
        return self.log.encode()


def _answer(monkeypatch: pytest.MonkeyPatch, container: FakeContainer) -> None:
    """Let every command in a container return the answer of `container`."""
    done = Executed(container.code, container.answer, b"")
    monkeypatch.setattr(alerts, "execute", lambda *_: done)


def _firing(monkeypatch: pytest.MonkeyPatch, container: FakeContainer) -> list[dict[str, Any]]:
    monkeypatch.setattr(alerts, "running", lambda *_: container)
    _answer(monkeypatch, container)
    return alerts.firing(docker.DockerClient.__new__(docker.DockerClient), "dev")


def test_reason_of_a_failed_notification_shows_only_host_and_port_of_a_url() -> None:
    container: Any = FakeContainer(log="started\n" + REFUSED + RETRIED)
    found = alerts._reasons(container)
    assert found.keys() == {"webhook", "email"}
    assert found["email"] == "establish connection to server: i/o timeout"
    assert found["webhook"].endswith('unexpected status code 403: hooks.example.org:8443 "no"')


def test_failed_notifications_are_summed_over_all_reasons(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (
        'alertmanager_notification_requests_total{integration="webhook"} 3\n'
        'alertmanager_notification_requests_failed_total{integration="webhook",reason="clientError"} 1\n'
        'alertmanager_notification_requests_failed_total{integration="webhook",reason="serverError"} 1\n'
        'alertmanager_notifications_total{integration="webhook"} 9\n'
    )
    container: Any = FakeContainer(answer=text.encode())
    _answer(monkeypatch, container)
    assert alerts._counts(container) == {"webhook": (3, 2)}


def test_pending_alert_is_not_listed_as_firing(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = (
        b'{"data":{"alerts":['
        b'{"state":"pending","labels":{"alertname":"A"},"annotations":{},"activeAt":"2026-11-29T20:00:00Z"},'
        b'{"state":"firing","labels":{"alertname":"B","service":"s"},"annotations":{"summary":"x"},"activeAt":"2"}]}}'
    )
    rows = _firing(monkeypatch, FakeContainer(answer=answer))
    assert rows == [{"alert": "B", "service": "s", "summary": "x", "since": "2"}]


@pytest.mark.parametrize("answer", [b"", b"<html>", b"[]", b'{"data":null}', b'{"data":{"alerts":[{}]}}', b"\xff"])
def test_unreadable_answer_of_prometheus_is_an_error_that_says_so(
    monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    with pytest.raises(UnreachableError, match="cannot be read"):
        _firing(monkeypatch, FakeContainer(answer=answer))


def test_error_of_a_failed_request_to_prometheus_names_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnreachableError, match="prometheus does not answer: wget: refused") as caught:
        _firing(monkeypatch, FakeContainer(code=1, answer=b"wget: refused\n"))
    assert caught.value.next_command == "fds logs prometheus"

"""Cause faults in containers: webhook and mailbox each get one message when an alert starts, and one when it ends.

The tests use the deployed rules and configuration, but the fixture `quick` shortens the longest waiting times.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import pytest
from docker.models.containers import Container

from tests.integration.monitoring import faults
from tests.integration.monitoring.monitored import Monitored, within

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

WAIT_S = 30
"""Longest time that a rule waits before it fires in these tests; a restart of the proxy takes less time."""
GROUP_S = 15
"""Time between two messages about one group of alerts in these tests; a deployed stack uses five minutes."""
REPORT_S = 180
"""Longest time from a fault to the received message, in seconds, on a machine that also does other work."""

MAILED = {
    "firing": r"^(\w+): (.+)\nsince \S.+$",
    "resolved": r"^(\w+) is over\. It was: (.+)\nfrom \S.+ to \S.+$",
}
"""For each status, the pattern of an alert in a mail; its groups are the name and the summary of the alert."""

Notice = tuple[str, str, str]
"""Name of an alert, its summary, and its status: `firing` or `resolved`."""
Alert = tuple[str, str]
"""Name of an alert, and a regular expression for its summary."""


def _short_rules(text: str) -> str:
    rules = json.loads(text)
    for rule in rules["groups"][0]["rules"]:
        rule["for"] = "0s" if rule["for"] == "0s" else f"{WAIT_S}s"
    return json.dumps(rules)


def _short_groups(text: str) -> str:
    configuration = json.loads(text)
    configuration["route"]["group_interval"] = f"{GROUP_S}s"
    return json.dumps(configuration)


@pytest.fixture(scope="module")
def quick(small_stack: Monitored) -> Iterator[Monitored]:
    """Shorten the waits of rules and groups, and wait until the alerts that this machine itself causes have been sent.

    A nearly full disk of this machine causes such an alert, in the same group as the alert about the filled volume.
    """

    def reload(container: Container) -> None:
        container.kill("SIGHUP")

    def settled() -> bool:
        rules = small_stack.ask("/api/v1/rules")["groups"][0]["rules"]
        return {rule["duration"] for rule in rules} == {0, WAIT_S} and all(rule["state"] != "pending" for rule in rules)

    with (
        faults.rewritten("prometheus", {"rules.yml": _short_rules}, reload),
        faults.rewritten("alertmanager", {"alertmanager.yml": _short_groups}, reload),
    ):
        assert within(REPORT_S, settled)
        time.sleep(2 * GROUP_S)
        yield small_stack


class Notices:
    """Read the alerts that the webhook and the mailbox received after this object was created."""

    def __init__(self, stack: Monitored) -> None:
        self._stack = stack
        self._posts, self._mails = len(stack.webhook.received), len(stack.mail.received)

    def posted(self) -> list[Notice]:
        """Return the alerts of all documents that the webhook received."""
        return [
            (alert["labels"]["alertname"], alert["annotations"]["summary"], alert["status"])
            for document in self._stack.webhook.received[self._posts :]
            for alert in document["alerts"]
        ]

    def mailed(self) -> list[Notice]:
        """Return the alerts of all mails; `MAILED` describes the two lines that a mail has for each alert."""
        found: list[Notice] = []
        for mail in self._stack.mail.received[self._mails :]:
            (part,) = (part for part in mail.walk() if part.get_content_type() == "text/plain")
            content = part.get_payload(decode=True)
            assert isinstance(content, bytes)
            text = content.decode().replace("\r\n", "\n")
            for status, pattern in MAILED.items():
                found += [(name, summary, status) for name, summary in re.findall(pattern, text, re.MULTILINE)]
        return found

    def numbers(self, alerts: list[Alert], status: str) -> dict[Alert, tuple[int, int]]:
        """Return how often each alert was posted and mailed with this status."""

        def number(found: list[Notice], alert: Alert) -> int:
            return sum(
                (name, how) == (alert[0], status) and bool(re.search(alert[1], text)) for name, text, how in found
            )

        return {alert: (number(self.posted(), alert), number(self.mailed(), alert)) for alert in alerts}


def _report(stack: Monitored, staged: list[AbstractContextManager[None]], alerts: list[Alert]) -> Notices:
    """Cause faults, repair them, and test that each alert is reported once when it starts and once when it ends."""
    notices = Notices(stack)
    with ExitStack() as blocks:
        for fault in staged:
            blocks.enter_context(fault)
        _test_reported_once(notices, alerts, "firing")
        assert not any(how == "resolved" and name in dict(alerts) for name, _, how in notices.posted())
    _test_reported_once(notices, alerts, "resolved")
    assert set(notices.numbers(alerts, "firing").values()) == {(1, 1)}
    return notices


def _test_reported_once(notices: Notices, alerts: list[Alert], status: str) -> None:
    complete = within(REPORT_S, lambda: all(min(pair) for pair in notices.numbers(alerts, status).values()))
    assert complete, (status, notices.numbers(alerts, status), notices.posted())
    time.sleep(GROUP_S + 5)  # long enough for a second message about the group
    assert notices.numbers(alerts, status) == dict.fromkeys(alerts, (1, 1)), notices.posted()


def test_open_route_ending_certificate_failed_check_and_full_disk_are_reported(
    quick: Monitored, tmp_path: Path
) -> None:
    staged = [
        faults.failed_run(quick, tmp_path, faults.FAILS_A_CHECK),
        faults.full_disk(),
        faults.open_proxy_with_ending_certificate(days=5),
    ]
    alerts = [
        ("RouteOpen", r"^dashboard\.localhost answers without the login$"),
        ("CertificateEnds", r"^the certificate of dashboard\.localhost ends in 5 days$"),
        ("CheckFailed", r"^1 checks of the last run failed$"),
        ("PipelineRunFailed", r"^the last run failed$"),
        ("DiskAlmostFull", r"^6\.\d+% of tmpfs is free$"),
    ]
    notices = _report(quick, staged, alerts)
    assert "RouteDown" not in {name for name, _, _ in notices.posted()}


def test_service_near_its_memory_limit_is_reported(quick: Monitored) -> None:
    summary = r"^9\d\.?\d*% of the memory limit of hungry is in use$"
    _report(quick, [faults.hungry(limit_mb=128, held_mb=117)], [("ServiceMemoryNearLimit", summary)])


def test_stopped_ui_stopped_proxy_and_failed_run_are_reported(quick: Monitored, tmp_path: Path) -> None:
    staged = [
        faults.failed_run(quick, tmp_path, faults.CANNOT_BE_LOADED),
        faults.stopped("streamlit"),
        faults.stopped("traefik"),
    ]
    alerts = [
        ("RouteDown", r"^streamlit does not answer behind dashboard\.localhost$"),
        ("RouteDown", r"^the proxy does not ask for the login at dashboard\.localhost$"),
        ("TargetDown", r"^traefik gives no metrics$"),
        ("PipelineRunFailed", r"^the last run failed$"),
    ]
    notices = _report(quick, staged, alerts)
    assert {"RouteOpen", "CertificateEnds", "CheckFailed"}.isdisjoint(name for name, _, _ in notices.posted())

"""Test with real faults that webhook and mailbox each get one message when an alert starts, and one when it ends.

The tests use the product's configuration and its rules for a stack on a server; the fixture `quick` shortens waiting
times.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from docker.models.containers import Container

from infra.services import Context, _alert_rules, selected
from infra.settings import Settings
from tests.integration.monitoring import faults
from tests.integration.monitoring.monitored import PROFILES, SCHEDULE, STACK, Monitored, execute, within
from tests.integration.monitoring.notices import Alert, Notices
from tests.integration.monitoring.scenarios import SCENARIOS, Scenario

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]

WAIT_S = 30
"""Seconds that a fault must last in these tests before its rule fires, except for rules that fire at once.

A restart of the proxy takes less time, so it causes no alert."""
GROUP_S = 15
"""Seconds between two messages about one group of alerts in these tests; normally, it is five minutes."""
REPORT_S = 300
"""Longest time from a fault to the received message, in seconds, on a machine that also does other work."""


def _short_rules(text: str) -> str:
    """Return the rules that this stack would have on a server, with shorter waits.

    A stack on a server has each rule of a local stack, and one rule about the timer that measures the containers.
    """
    settings = Settings.of(STACK, {"host": "ssh", "profiles": PROFILES, "schedule": SCHEDULE})
    rules = json.loads(_alert_rules.render(Context(settings, {}, selected(settings))))
    of_server = rules["groups"][0]["rules"]
    assert [rule for rule in json.loads(text)["groups"][0]["rules"] if rule not in of_server] == []
    for rule in of_server:
        rule["for"] = "0s" if rule["for"] == "0s" else f"{WAIT_S}s"
    return json.dumps(rules)


def _short_groups(text: str) -> str:
    configuration = json.loads(text)
    configuration["route"]["group_interval"] = f"{GROUP_S}s"
    return json.dumps(configuration)


def _silence_own_disk() -> None:
    """Silence alerts about this machine's own disk, which other work fills; they would join groups of tested alerts."""
    words = ["amtool", "--alertmanager.url=http://localhost:9093", "silence", "add", "--author=test", "--comment=test"]
    execute("alertmanager", *words, "--duration=6h", 'device=~".+"', 'device!="tmpfs"')


@pytest.fixture(scope="module")
def quick(small_stack: Monitored) -> Iterator[Monitored]:
    """Yield the stack with shorter waits than usual: before an alert fires, and between messages about a group."""

    def reload(container: Container) -> None:
        container.kill("SIGHUP")

    def loaded() -> bool:
        rules = small_stack.ask("/api/v1/rules")["groups"][0]["rules"]
        return {rule["duration"] for rule in rules} == {0, WAIT_S}

    with (
        faults.rewritten("prometheus", {"rules.yml": _short_rules}, reload),
        faults.rewritten("alertmanager", {"alertmanager.yml": _short_groups}, reload),
    ):
        assert within(REPORT_S, loaded)
        _silence_own_disk()
        yield small_stack


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_staged_faults_are_reported_once_when_they_start_and_once_when_they_end(
    quick: Monitored, tmp_path: Path, scenario: Scenario
) -> None:
    notices = Notices(quick)
    with ExitStack() as blocks:
        for fault in scenario.staged(quick, tmp_path):
            blocks.enter_context(fault)
        _test_reported_once(notices, scenario.alerts, "firing", REPORT_S)
        assert set(notices.numbers(scenario.alerts, "resolved").values()) == {(0, 0)}
    _test_reported_once(notices, scenario.alerts, "resolved", REPORT_S + scenario.window_s)
    assert set(notices.numbers(scenario.alerts, "firing").values()) == {(1, 1)}
    assert scenario.absent.isdisjoint(name for name, _, _ in notices.posted())


def _test_reported_once(notices: Notices, alerts: Iterable[Alert], status: str, longest_s: int) -> None:
    """Wait until webhook and mailbox have these alerts with this status; test that neither has one of them twice.

    Args:
        longest_s: longest wait in seconds.
    """
    complete = within(longest_s, lambda: all(min(pair) for pair in notices.numbers(alerts, status).values()))
    assert complete, (status, notices.numbers(alerts, status), notices.posted())
    time.sleep(GROUP_S + 5)  # long enough for a second message about the group
    assert notices.numbers(alerts, status) == dict.fromkeys(alerts, (1, 1)), notices.posted()

"""Ask a stack's Prometheus which alerts fire, and send a test alert through its Alertmanager."""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Collection
from typing import Any

import docker
from docker.models.containers import Container

from infra.services import alertmanager, prometheus
from stack_runtime.docker_exec import execute
from stack_runtime.docker_host import running
from stack_runtime.errors import UnreachableError
from stack_runtime.labels import SERVICE_LABEL
from stack_runtime.text import shortened

TEST_S = 60
"""Maximum seconds until all receivers have accepted a test alert. Alertmanager waits 10 s before it sends an
alert."""
_REQUEST = 'path=$1; shift; exec timeout 15 wget -q -T 10 -O - "$@" "http://$HOSTNAME:{port}$path"'
_COUNTS = re.compile(
    r'^alertmanager_notification_requests(_failed)?_total\{[^}]*integration="(\w+)"[^}]*\} (\S+)$', re.MULTILINE
)
_KIND, _REASON = re.compile(r"\b(\w+)\[\d+\]"), re.compile(r'err="((?:[^"\\]|\\.)*)"')
"""Patterns for a line of Alertmanager's log about a failed request: the receiver, such as `webhook[0]`; the reason."""
_URL = re.compile(r"https?://(?:[^/@\s]*@)?([^/\s\"]+)\S*")
"""Pattern of a URL, with a group for its host. Only the host is shown, because a webhook's path is often a secret."""


def firing(client: docker.DockerClient, stack: str) -> list[dict[str, Any]]:
    """Return the alerts that fire, oldest first: `{alert, service, summary, since}`; `since` in ISO 8601.

    Raises:
        UnreachableError: Prometheus does not run or does not answer.
    """
    answer = _request(running(client, stack, prometheus.SERVICE.name), prometheus.PORT, "/api/v1/alerts")
    try:
        found = [one for one in json.loads(answer)["data"]["alerts"] if one["state"] == "firing"]
        rows = [
            {
                "alert": one["labels"]["alertname"],
                "service": one["labels"].get("service", ""),
                "summary": one["annotations"].get("summary", ""),
                "since": one["activeAt"],
            }
            for one in found
        ]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UnreachableError("the answer of prometheus cannot be read", next_command="fds logs prometheus") from None
    return sorted(rows, key=lambda row: str(row["since"]))


def send_test(client: docker.DockerClient, stack: str, receivers: Collection[str]) -> dict[str, str]:
    """Send one test alert. Return for each receiver an empty text, or the reason why it did not accept the alert.

    Args:
        receivers: kinds of receivers: `email`, `slack`, `webhook`.

    Raises:
        UnreachableError: Alertmanager does not run or does not answer.
    """
    container = running(client, stack, alertmanager.SERVICE.name)
    after = before = _counts(container)
    alert = {  # without times: the clocks of this machine and of the server may differ
        "labels": {"alertname": "Test", "service": f"test-{secrets.token_hex(4)}", "stack": stack},
        "annotations": {"summary": "a test, sent by fds alerts test"},
    }
    header = "--header=Content-Type: application/json"
    _request(container, alertmanager.PORT, "/api/v2/alerts", header, f"--post-data={json.dumps([alert])}")
    deadline = time.monotonic() + TEST_S
    waiting = set(receivers)
    while waiting and time.monotonic() < deadline:
        time.sleep(1)
        after = _counts(container)
        waiting = {kind for kind in waiting if after.get(kind, (0, 0))[0] <= before.get(kind, (0, 0))[0]}
    failed = {kind for kind in receivers if after.get(kind, (0, 0))[1] > before.get(kind, (0, 0))[1]}
    reasons = _reasons(container) if failed else {}
    results = dict.fromkeys(receivers, "")
    results |= {kind: reasons.get(kind, "refused, without a reason in fds logs alertmanager") for kind in failed}
    return results | dict.fromkeys(waiting, f"no answer within {TEST_S} s")


def _counts(container: Container) -> dict[str, tuple[int, int]]:
    """Return how many requests Alertmanager sent to receivers, and how many of them failed, by kind of receiver."""
    found: dict[str, list[int]] = {}
    for failed, kind, count in _COUNTS.findall(_request(container, alertmanager.PORT, "/metrics")):
        found.setdefault(kind, [0, 0])[1 if failed else 0] += int(float(count))
    return {kind: (made, failures) for kind, (made, failures) in found.items()}


def _reasons(container: Container) -> dict[str, str]:
    """Return the last reason for a failed request in Alertmanager's log, by kind of receiver."""
    found: dict[str, str] = {}
    for line in container.logs(tail=100).decode(errors="replace").splitlines():
        if reason := _REASON.search(line):
            text = _URL.sub(r"\1", reason[1].replace('\\"', '"'))
            found |= dict.fromkeys(_KIND.findall(line), shortened(text, 300))
    return found


def _request(container: Container, port: int, path: str, *options: str) -> str:
    """Return the answer of the program in a container to a request for `path` at `port`.

    The request is made inside the container, because this machine may not reach the container's network.

    Raises:
        UnreachableError: the program in the container does not answer, or answers with an error.
    """
    done = execute(container, ["sh", "-c", _REQUEST.format(port=port), "sh", path, *options])
    if done.code:
        name = container.labels.get(SERVICE_LABEL, "")
        said = shortened((done.out + done.err).decode(errors="replace"), 200)
        raise UnreachableError(f"{name} does not answer: {said}".rstrip(": "), next_command=f"fds logs {name}")
    return done.out.decode(errors="replace")

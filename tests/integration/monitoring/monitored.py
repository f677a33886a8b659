"""Give tests access to the deployed stack, which has the profiles `monitoring` and `queue`."""

from __future__ import annotations

import json
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from stack_runtime import docker_exec
from stack_runtime.docker_host import local_docker, running
from tests.kit.project import Project
from tests.kit.receivers import MailServer, Webhook

STACK = "t-monitoring"
PROFILES = ["monitoring", "queue"]
SCHEDULE = "weekly"
"""With this schedule, no run starts by itself during the tests, except on a Monday at midnight (UTC)."""


@dataclass(frozen=True)
class Monitored:
    """The deployed stack, and the test doubles that receive its alerts."""

    project: Project
    port: int
    webhook: Webhook
    mail: MailServer
    measuring: threading.Event
    """Clear this event to stop the measurement of the containers; set it to continue the measurement."""

    def ask(self, path: str) -> Any:
        """Request a path of Prometheus' API from inside its container, and return the data of the answer."""
        return json.loads(execute("prometheus", "sh", "-c", f'wget -q -O - "http://$HOSTNAME:9090{path}"'))["data"]

    def query(self, expression: str) -> list[float]:
        """Return the present values of a PromQL expression."""
        return [float(one["value"][1]) for one in self.ask(f"/api/v1/query?query={quote(expression)}")["result"]]

    def status(self, name: str, path: str = "/metrics") -> int:
        """Request `path` of the host `NAME.localhost` from the proxy, without a login, and return the HTTP status."""
        unchecked = ssl.create_default_context()
        unchecked.check_hostname, unchecked.verify_mode = False, ssl.CERT_NONE
        request = urllib.request.Request(
            f"https://127.0.0.1:{self.port}{path}", headers={"Host": f"{name}.localhost:{self.port}"}
        )
        try:
            return int(urllib.request.urlopen(request, context=unchecked, timeout=20).status)
        except urllib.error.HTTPError as error:
            return error.code


def execute(service: str, *words: str) -> str:
    """Run a command in the running container of a service, check that it succeeds, and return its output."""
    client = local_docker()
    try:
        done = docker_exec.execute(running(client, STACK, service), words)
        assert done.code == 0, done
        return done.out.decode()
    finally:
        client.close()


def within(seconds: float, answer: Callable[[], bool]) -> bool:
    """Return whether `answer` becomes true within this number of seconds."""
    deadline = time.monotonic() + seconds
    while not answer():
        if time.monotonic() > deadline:
            return False
        time.sleep(1)
    return True
